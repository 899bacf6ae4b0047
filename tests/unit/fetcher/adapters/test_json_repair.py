"""Cutting what is almost JSON into its parts, byte for byte."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.growing import LINEAR, growth

from fetcher.adapters.json_body import MAX_ROWS, decoded, mended
from fetcher.adapters.json_repair import MAX_FLAWS, elements, is_crowded, members, repaired
from fetcher.core.errors import Cause, UpstreamError
from sandbox.upstream.filters import OfferFilter
from sandbox.upstream.generated import GeneratedSource, World
from sandbox.upstream.quirks import DOCUMENTED_QUIRKS

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


@pytest.mark.parametrize("byte", [b"", b" ", b"a", b"\0", b"\xc3", b"\xff"])
def test_a_damaged_byte_makes_no_body_one_of_another_encoding(byte: bytes) -> None:
    whole = '{"mark":"宝马","model":"宝马三系","city":"𠮷林省长春市"}'.encode()
    for place in (place for place, value in enumerate(whole) if value >= 0x80):
        with pytest.raises(UpstreamError) as caught:
            mended(partial(decoded, msgspec.json.Decoder().decode), whole[:place] + byte + whole[place + 1 :])
        assert (place, caught.value.cause) == (place, Cause.NOT_JSON)


def test_what_is_written_in_gb_18030_is_read_so_to_the_last_letter() -> None:
    world = World(
        offers=60,
        seed=1,
        platform="che168",
        changes_per_day=0,
        history_days=1,
        now=datetime(2026, 11, 1, tzinfo=UTC),
        quirks=DOCUMENTED_QUIRKS,
    )
    source = GeneratedSource(world)
    texts = [row.decode() for page in (1, 2, 3) for row in source.offers("che168", page, OfferFilter()).rows]
    for text in texts:
        found = mended(partial(decoded, msgspec.json.Decoder().decode), text.encode("gb18030"))
        assert (found.value, found.notes) == (json.loads(text), "read as GB 18030")
    assert len(texts) > 50


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(repaired, id="repaired"),
        pytest.param(elements, id="cut into elements"),
        pytest.param(members, id="cut into members"),
        pytest.param(partial(is_crowded, most=0), id="counted"),
    ],
)
def test_a_text_that_is_cut_takes_no_more_time_than_it_is_long(work: Callable[[bytes], object]) -> None:
    assert growth(work, lambda number: b'{"a":"' + rb"\"," * number, 2_000) < LINEAR


@pytest.mark.parametrize("flaw", [pytest.param(b"\n", id="line feeds"), pytest.param(rb"\ud800", id="surrogates")])
def test_a_body_of_nothing_but_flaws_is_damaged(flaw: bytes) -> None:
    text = flaw * (MAX_FLAWS - 1)
    assert repaired(b'["' + text + b'",NaN]')[1].endswith("not_a_number × 1")
    with pytest.raises(UpstreamError) as raised:
        repaired(b'["' + text + b'",NaN,NaN]')
    assert raised.value.cause is Cause.NOT_JSON


@pytest.mark.parametrize("row", [b"{}", b"1", b'"a,b"', b'{"data":[1,2,[3,4]]}'])
def test_rows_beyond_number_are_refused_before_they_are_made(row: bytes) -> None:
    def body(rows: int) -> bytes:
        return b'{"meta":{},"result":[%b]}' % b",".join([row] * rows)

    assert mended(len, body(MAX_ROWS)).value > MAX_ROWS
    with pytest.raises(UpstreamError) as raised:
        mended(len, body(MAX_ROWS + 1))
    assert raised.value.cause is Cause.TOO_LARGE


def test_what_rows_hold_is_not_counted() -> None:
    row = b'{"data":[%b]}' % b",".join([b"1"] * 2 * MAX_ROWS)
    assert mended(len, b'{"result":[%b]}' % row).value > MAX_ROWS
