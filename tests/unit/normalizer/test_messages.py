"""Reading a message body: what one record of a foreign producer has wrong costs that record and not its neighbours."""

import msgspec
import pytest

from common.errors import InvalidEventError
from common.events import PageFetched, encode
from common.testing.pages import a_page, a_record
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.records import read
from normalizer.entrypoints.messages import known_page

KNOWN = frozenset({"che168"})
PROFILES = {"che168": PlatformProfile()}
ODD = rb'{"inner_id":"2","title":"a\ud83d b\ud83d\ude00 \\ud800 \u0000","mark":"BMW"}'
MENDED = rb'{"inner_id":"2","title":"a\ufffd b\ud83d\ude00 \\ud800 \ufffd","mark":"BMW"}'


def a_body(*data: bytes) -> bytes:
    """Return the body of a page of offers `1`, `2` … as a producer that does not check its text writes it."""
    page = a_page([a_record(str(number), b'"@%d@"' % number) for number in range(1, len(data) + 1)])
    body = encode(page)
    for number, one in enumerate(data, start=1):
        body = body.replace(b'"@%d@"' % number, one)
    return body


def data_of(page: PageFetched) -> list[bytes]:
    return [bytes(record.data) for record in page.records]


@pytest.mark.parametrize("place", [0, 1, 19], ids=["first", "second", "last"])
def test_a_lone_surrogate_is_repaired_in_its_record_and_the_neighbours_are_taken_as_they_came(place: int) -> None:
    data = [b'{ "inner_id":"%d", "mark":"BMW" }' % number for number in range(1, 21)]
    data[place] = ODD.replace(b'"2"', b'"%d"' % (place + 1))
    page = known_page(a_body(*data), KNOWN)
    assert data_of(page) == data
    result = read(page, PROFILES)
    assert [index for index, _ in result.updates] == list(range(20))
    assert result.updates[place][1].data == MENDED.replace(b'"2"', b'"%d"' % (place + 1))
    assert [(kept.reason, kept.index, kept.body) for kept in result.repaired] == [("repaired", place, data[place])]
    assert result.rejected == []


def test_each_record_gets_its_own_bytes_back_though_they_are_the_same_once_they_are_mended() -> None:
    data = [rb'{"mark":"\ufffd"}', rb'{"mark":"\ud800"}', rb'{"mark":"\udfff"}', rb'{"mark":"\ufffd"}']
    page = known_page(a_body(*data), KNOWN)
    assert data_of(page) == data
    assert [kept.index for kept in read(page, PROFILES).repaired] == [1, 2]


def test_an_identity_with_a_lone_surrogate_is_rejected_alone_for_two_of_them_would_become_one_offer() -> None:
    body = a_body(b'{"mark":"BMW"}', b'{"mark":"Audi"}').replace(b'"inner_id":"2"', rb'"inner_id":"2\ud800"')
    result = read(known_page(body, KNOWN), PROFILES)
    assert [update.inner_id for _, update in result.updates] == ["1"]
    assert [(reject.reason, reject.index) for reject in result.rejected] == [("bad_inner_id", 1)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (a_body(ODD)[:-3], "not_json"),
        (a_body(rb'{"mark":"\ud800"}').replace(b"page", b"rumour"), "not_an_event"),
        (a_body(rb'{"mark":"\ud800", }'), "not_json"),
        (a_body(rb'{"mark":"\ud8"}'), "not_json"),
        (a_body(rb'{"mark":"\ud800"}').replace(b"che168", b"unknown"), "unknown_platform"),
        (a_body(rb'{"mark":"\ud800"}').replace(b"che168", rb"che168\ud800"), "not_an_event"),
    ],
    ids=["cut", "no event", "no JSON otherwise", "half an escape", "another platform", "a platform with a surrogate"],
)
def test_what_is_no_event_for_other_reasons_stays_none(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        known_page(body, KNOWN)
    assert caught.value.reason == reason


def test_a_body_without_anything_to_mend_keeps_every_byte() -> None:
    data = [rb'{"a":"\ufffd", "b":"\\ud800"}', '{"a":"\ufffd"}'.encode()]
    assert data_of(known_page(a_body(*data), KNOWN)) == data
    assert msgspec.json.decode(data[0]) == {"a": "\ufffd", "b": r"\ud800"}
