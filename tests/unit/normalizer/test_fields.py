"""Decoding a record once, where nearly all are alike: the same as field by field, or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from common.testing.pages import a_page, a_record
from normalizer.core.drift import Drift
from normalizer.core.offers.fields import known_keys, read_usual
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.records import ReadPage, read

CHE168 = PlatformProfile()
A_TABLE = {"specid": 1, "paramtypeitems": [{"paramitems": [{"id": 3, "value": "1998"}, {"id": 14, "value": "192"}]}]}
USUAL: dict[str, Any] = {
    "id": 1,
    "inner_id": "50837332",
    "mark": "BMW",
    "model": "1 Series",
    "price": "98000",
    "images": '["https://example.com/1.jpg"]',
    "specid": 1,
    "extra": {
        "configuration": A_TABLE,
        "option": {"displayopts": [{"optionname": "Sunroof"}]},
        "inspection": {"engine": "good"},
    },
}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.just("[]"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
extras = (
    st.fixed_dictionaries({}, optional=dict.fromkeys(("configuration", "option", "inspection"), json_values))
    | json_values
    | st.just(json.dumps(USUAL["extra"]))
)
records = st.builds(
    lambda usual, other, extra: usual | other | extra,
    st.sampled_from([USUAL, {}, {"inner_id": "50837332", "mark": "BMW"}]),
    st.dictionaries(st.sampled_from(sorted(known_keys(CHE168) | {"surprise"})), json_values, max_size=4),
    st.fixed_dictionaries({}, optional={"extra": extras}),
)


@contextmanager
def the_long_way() -> Iterator[None]:
    """Look at every record field by field."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("normalizer.core.offers.fields._all_known", lambda _data, _profile: None)
        yield


def encoded(data: object) -> bytes:
    return json.dumps(data).encode()


@given(records)
def test_what_was_decoded_on_the_way_gives_the_same_offer_and_oddities(data: dict[str, Any]) -> None:
    body = encoded(data)
    reading = read_usual(body, CHE168)
    event("usual" if reading else "field by field")
    short = normalise(body, CHE168)
    assert normalise(body, CHE168, reading) == short
    with the_long_way():
        assert normalise(body, CHE168) == short


@given(records)
def test_a_page_is_read_alike_with_and_without_the_short_way(data: dict[str, Any]) -> None:
    def told(page: ReadPage) -> object:
        return page.updates, page.rejected, page.repaired, page.drift

    page = a_page([a_record("50837332", encoded(data))])
    short = read(page, {"che168": CHE168})
    with the_long_way():
        assert told(read(page, {"che168": CHE168})) == told(short)


def test_a_usual_record_is_decoded_once() -> None:
    body = encoded(USUAL)
    (reading,) = read(a_page([a_record("50837332", body)]), {"che168": CHE168}).readings.values()
    offer, _ = normalise(reading.data, CHE168, reading)
    assert (reading.data, offer.mark, offer.parameters["displacement_ml"]) == (body, "BMW", "1998")
    assert (offer.options, offer.details) == (["Sunroof"], {"inspection": {"engine": "good"}})


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"surprise": 1}, id="a key that means nothing"),
        pytest.param({"mark": "", "url": None, "title": "[]"}, id="perhaps a shell"),
        pytest.param({"extra": {"seats": "5"}}, id="extras of another platform"),
        pytest.param({"extra": "{}"}, id="extras as a text"),
    ],
)
def test_an_unusual_record_is_left_to_the_long_way(other: dict[str, Any]) -> None:
    assert read_usual(encoded(USUAL | other), CHE168) is None


def test_a_number_that_python_cannot_hold_is_left_to_the_long_way() -> None:
    assert read_usual(encoded(USUAL).replace(b'"98000"', b"1e400"), CHE168) is None


def test_a_reading_of_other_bytes_is_not_used() -> None:
    reading = read_usual(encoded(USUAL), CHE168)
    offer, _ = normalise(encoded(USUAL | {"mark": "Audi"}), CHE168, reading)
    assert offer.mark == "Audi"


def test_unknown_keys_are_counted_as_before() -> None:
    page = read(a_page([a_record("50837332", encoded(USUAL | {"surprise": 1}))]), {"che168": CHE168})
    assert (dict(page.drift), page.readings) == ({Drift("che168", "", "unknown_key", "surprise"): 1}, {})
