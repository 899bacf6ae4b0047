"""Cursors come back as they were given, and nothing else comes through."""

import base64
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cursor import CursorSigner
from gateway.core.errors import InvalidCursorError
from gateway.core.query import OfferQuery, Position, Sort, read_query

pytestmark = pytest.mark.unit

SIGNER = CursorSigner(b"k" * 32)
positions = st.builds(Position, key=st.none() | st.decimals(0, 10**12, places=2).map(str), id=st.integers(0, 2**63 - 1))


def query_of(parameters: Mapping[str, str]) -> OfferQuery:
    """Return the query of these parameters."""
    return read_query(parameters.items())[0]


@given(positions, st.sampled_from(Sort))
def test_a_cursor_comes_back_as_it_was_given(position: Position, sort: Sort) -> None:
    query = OfferQuery(sort=sort)
    assert SIGNER.verify(query, SIGNER.sign(query, position)) == position


@given(positions)
def test_a_cursor_fits_into_an_address_as_it_is(position: Position) -> None:
    cursor = SIGNER.sign(OfferQuery(), position)
    assert len(cursor) <= 200
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(positions, st.data())
def test_a_cursor_with_one_bit_changed_is_refused(position: Position, data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(SIGNER.sign(OfferQuery(), position) + "=="))
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(InvalidCursorError):
        SIGNER.verify(OfferQuery(), base64.urlsafe_b64encode(raw).decode().rstrip("="))


@pytest.mark.parametrize("number", [1, 12, 123])
def test_a_cursor_has_one_text_only(number: int) -> None:
    cursor = SIGNER.sign(OfferQuery(), Position(None, number))
    same = [
        text
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        if base64.urlsafe_b64decode((text := cursor[:-1] + last) + "==") == base64.urlsafe_b64decode(cursor + "==")
    ]
    for text in {*same, cursor + "=", cursor + "=="} - {cursor}:
        with pytest.raises(InvalidCursorError):
            SIGNER.verify(OfferQuery(), text)


@pytest.mark.parametrize("text", ["", "x", "====", "é", "MTIz", "a" * 200, "Zm9v!", "\x00", "AAAA AAAA"], ids=ascii)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        SIGNER.verify(OfferQuery(), text)


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "-price"},
        {"sort": "price", "mark": "BMW"},
        {"sort": "price", "mark": "Audi", "model": "A4"},
        {"sort": "price", "price_to": "5"},
        {},
    ],
    ids=str,
)
def test_a_cursor_of_another_order_or_filter_is_refused(other: dict[str, str]) -> None:
    cursor = SIGNER.sign(query_of({"sort": "price", "mark": "Audi"}), Position("5", 7))
    with pytest.raises(InvalidCursorError):
        SIGNER.verify(query_of(other), cursor)


def test_a_cursor_may_go_on_with_another_page_size() -> None:
    cursor = SIGNER.sign(query_of({"limit": "5"}), Position(None, 7))
    assert SIGNER.verify(query_of({"limit": "50"}), cursor) == Position(None, 7)


def test_a_cursor_under_another_key_is_refused() -> None:
    with pytest.raises(InvalidCursorError):
        CursorSigner(b"o" * 32).verify(OfferQuery(), SIGNER.sign(OfferQuery(), Position("5", 7)))
