"""Cutting what is almost JSON into its parts, byte for byte."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.adapters.json_body import decoded, mended
from fetcher.adapters.json_repair import elements, members
from fetcher.core.errors import Cause, UpstreamError

pytestmark = pytest.mark.unit

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def written(value: Any, *, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode("utf-8", "surrogatepass")


@given(st.lists(json_values), st.sampled_from([None, 2]))
def test_an_array_is_cut_into_its_elements(values: list[Any], indent: int | None) -> None:
    found = elements(written(values, indent=indent))
    assert [written(json.loads(element)) for element in found] == [written(value) for value in values]


@given(st.dictionaries(st.text(alphabet="abc_", max_size=3), json_values), st.sampled_from([None, 2]))
def test_an_object_is_cut_into_its_members(values: dict[str, Any], indent: int | None) -> None:
    found = members(written(values, indent=indent))
    assert {name: written(json.loads(value)) for name, value in found.items()} == {
        name: written(value) for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(b'["a\nb" , NaN,-Infinity ]', [b'"a\nb"', b"NaN", b"-Infinity"], id="flaws"),
        pytest.param(b'["], [", "\\"]", {"a":["}"]}]', [b'"], ["', b'"\\"]"', b'{"a":["}"]}'], id="brackets in texts"),
        pytest.param(b" [ ] ", [], id="empty"),
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"[" * 50_000 + b"]" * 50_000, [b"[" * 49_999 + b"]" * 49_999], id="nested deeply"),
    ],
)
def test_everything_stays_as_it_came(body: bytes, found: list[bytes]) -> None:
    assert elements(body) == found


def test_what_is_no_object_has_no_members() -> None:
    assert (members(b'["a"]'), members(b"7"), members(b'{"a":1,"a":2}')) == ({}, {}, {"a": b"2"})


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_body_that_ends_early_is_cut_wherever_it_ends_also_within_a_character(encoding: str) -> None:
    whole = '{"mark":"奥迪","model":"宝马X5","city":"𠮷林"}'.encode(encoding)
    read = partial(decoded, msgspec.json.Decoder().decode)
    assert mended(read, whole).value == {"mark": "奥迪", "model": "宝马X5", "city": "𠮷林"}
    for end in range(1, len(whole)):
        with pytest.raises(UpstreamError) as caught:
            mended(read, whole[:end])
        assert (end, caught.value.cause, caught.value.detail) == (end, Cause.NOT_JSON, "cut or damaged")
