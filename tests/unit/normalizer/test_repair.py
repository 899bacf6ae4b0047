"""The repair of what JSON allows and PostgreSQL refuses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalizer.core.repair import repaired, without_lone_surrogates


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(rb'"a\u0000b"', rb'"a\ufffdb"', id="NUL"),
        pytest.param(rb'"\u0000\u0000"', rb'"\ufffd\ufffd"', id="two NULs"),
        pytest.param(rb'"\ud800"', rb'"\ufffd"', id="lone high surrogate"),
        pytest.param(rb'"\udc00"', rb'"\ufffd"', id="lone low surrogate"),
        pytest.param(rb'"\uD83D"', rb'"\ufffd"', id="upper-case digits"),
        pytest.param(rb'"\ud83d\ude00"', rb'"\ud83d\ude00"', id="a pair"),
        pytest.param(rb'"\uD83D\uDE00"', rb'"\uD83D\uDE00"', id="a pair in upper case"),
        pytest.param(rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"', id="a pair the wrong way round"),
        pytest.param(rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"', id="a lone one before a pair"),
        pytest.param(rb'"\ud83d\u0041"', rb'"\ufffd\u0041"', id="a high one before a letter"),
        pytest.param(rb'"\\u0000"', rb'"\\u0000"', id="an escaped backslash before u0000"),
        pytest.param(rb'"\\\u0000"', rb'"\\\ufffd"', id="an escaped backslash and a NUL"),
        pytest.param(rb'"\\ud800"', rb'"\\ud800"', id="an escaped backslash before ud800"),
        pytest.param(rb'"\ud7ff\ue000"', rb'"\ud7ff\ue000"', id="the neighbours of the surrogates"),
        pytest.param(rb'{"\u0000":1}', rb'{"\ufffd":1}', id="in a key"),
        pytest.param(rb'"\n\t\"\/"', rb'"\n\t\"\/"', id="other escapes"),
    ],
)
def test_nul_and_lone_surrogates_are_replaced_and_nothing_else(data: bytes, expected: bytes) -> None:
    assert repaired(data) == expected


@pytest.mark.parametrize(
    "data", [b"{}", rb'"\ud83d\ude00"', rb'"\\u0000"', '{"a":"西安"}'.encode(), b'"a\\u00001"'[:3]]
)
def test_what_needs_no_repair_is_the_very_same_object(data: bytes) -> None:
    assert repaired(data) is data


def test_of_a_whole_message_only_lone_surrogates_are_replaced_and_everything_keeps_its_place() -> None:
    body = rb'["\ud800","\ud83d\ude00","\u0000","\\ud800","\uDFFF"]'
    assert without_lone_surrogates(body) == rb'["\ufffd","\ud83d\ude00","\u0000","\\ud800","\ufffd"]'


PIECES = st.sampled_from(["\x00", "\ud800", "\udc00", "\ud83d\ude00", "\\", "u0000", "ud800", '"', "x", "西", "\n"])
TEXTS = st.lists(PIECES | st.characters(), max_size=12).map("".join)


@settings(max_examples=400)
@given(TEXTS, TEXTS)
def test_the_result_holds_nothing_that_postgresql_refuses_and_reads_as_the_same_text_but_for_that(
    key: str, value: str
) -> None:
    read = json.loads(repaired(json.dumps({key: value}).encode()))
    assert read == {in_utf16(key): in_utf16(value)}


def in_utf16(text: str) -> str:
    """Return what a reader of UTF-16 makes of it, with U+FFFD for what is no character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "\ufffd")


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_text_without_such_escapes_is_the_same_object(text: str) -> None:
    data = json.dumps(text, ensure_ascii=True).encode()
    assert repaired(data) is data


@settings(max_examples=100)
@given(TEXTS)
def test_what_was_repaired_needs_no_repair(text: str) -> None:
    once = repaired(json.dumps(text).encode())
    assert repaired(once) is once
