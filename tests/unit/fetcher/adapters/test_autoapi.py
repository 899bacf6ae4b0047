"""Which bodies are a page, and what becomes of odd rows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import UNSET

from common.events import ChangeId, InnerId, PageKind, decode, encode
from fetcher.adapters.autoapi import read_change_id, read_changes, read_offer, read_offers
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.feed import UpstreamPage, events_of

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROW = b'{"id":7,"inner_id":"55651236","change_type":"added","created_at":"2025-08-05T08:18:10.679Z","data":{"price":1}}'
ZEROS = b"0" * 30
DIGITS = b"9" * 5000
DATA = Path(__file__).parents[4] / "../shared/data"


def body(*rows: bytes, meta: bytes = b'{"page":3,"next_page":4,"limit":20}') -> bytes:
    """Return a body of `/offers?page=3`."""
    return b'{"result":[' + b",".join(rows) + b'],"meta":' + meta + b"}"


def read(given: bytes) -> UpstreamPage:
    """Read it as page 3."""
    return read_offers(given, 3, fetched_at=NOW)


def test_a_page_is_read() -> None:
    page = read(body(ROW))
    (row,) = page.rows
    assert (page.position, page.next_position, page.fetched_at, page.notes) == (3, 4, NOW, "")
    assert (row.inner_id, row.change_type, row.source_id) == ("55651236", "added", "7")
    assert row.created_at == "2025-08-05T08:18:10.679Z"


@pytest.mark.parametrize(
    "data",
    [
        b'{ "price" : 1.10 }',
        b'{"id":18446744073709551616}',
        b'{"a":1,"a":2}',
        '{"mark":"宝马","n":"\\u4e2d"}'.encode(),
        b"[]",
        b'"text"',
        b"null",
    ],
    ids=["blanks and zeros", "beyond 64 bits", "same key twice", "Chinese and escapes", "list", "text", "null"],
)
def test_data_stays_byte_for_byte(data: bytes) -> None:
    page = read(body(b'{"inner_id":"1","change_type":"added","data":' + data + b"}"))
    assert bytes(page.rows[0].data) == data


@pytest.mark.parametrize(
    ("meta", "following"),
    [
        (b'{"next_page":4}', 4),
        (b'{"next_page":null}', None),
        (b'{"page":"3","next_page":4}', 4),
    ],
    ids=["next", "end", "page as text"],
)
def test_next_page_is_followed(meta: bytes, following: int | None) -> None:
    assert read(body(ROW, meta=meta)).next_position == following


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        pytest.param(b"", Cause.NOT_JSON, id="empty body"),
        pytest.param(b"   ", Cause.NOT_JSON, id="blanks"),
        pytest.param(b"<html><body>Just a moment</body></html>", Cause.NOT_JSON, id="HTML"),
        pytest.param(body(ROW)[:-9], Cause.NOT_JSON, id="cut"),
        pytest.param(body(ROW) + b"{}", Cause.NOT_JSON, id="trailing bytes"),
        pytest.param(b'{"error":"something"}', Cause.WRONG_SHAPE, id="an error under 200"),
        pytest.param(b'{"items":[],"total":0}', Cause.WRONG_SHAPE, id="another API"),
        pytest.param(b"[]", Cause.WRONG_SHAPE, id="a bare list"),
        pytest.param(b"null", Cause.WRONG_SHAPE, id="null"),
        pytest.param(b'{"result":{},"meta":{"next_page":4}}', Cause.WRONG_SHAPE, id="result is an object"),
        pytest.param(b'{"result":null,"meta":{"next_page":4}}', Cause.WRONG_SHAPE, id="result is null"),
        pytest.param(b'{"result":[]}', Cause.WRONG_SHAPE, id="no meta"),
        pytest.param(b'{"result":[],"meta":null}', Cause.WRONG_SHAPE, id="meta is null"),
        pytest.param(body(ROW, meta=b"{}"), Cause.WRONG_SHAPE, id="next_page is absent"),
        pytest.param(body(ROW, meta=b'{"next_page":3}'), Cause.WRONG_SHAPE, id="next_page stands still"),
        pytest.param(body(ROW, meta=b'{"next_page":2}'), Cause.WRONG_SHAPE, id="next_page goes back"),
        pytest.param(body(ROW, meta=b'{"next_page":9}'), Cause.WRONG_SHAPE, id="next_page leaps"),
        pytest.param(body(ROW, meta=b'{"next_page":0}'), Cause.WRONG_SHAPE, id="next_page is zero"),
        pytest.param(body(ROW, meta=b'{"next_page":-1}'), Cause.WRONG_SHAPE, id="next_page is negative"),
        pytest.param(body(ROW, meta=b'{"next_page":"4"}'), Cause.WRONG_SHAPE, id="next_page is text"),
        pytest.param(body(ROW, meta=b'{"next_page":4.5}'), Cause.WRONG_SHAPE, id="next_page is a fraction"),
        pytest.param(body(ROW, meta=b'{"next_page":true}'), Cause.WRONG_SHAPE, id="next_page is a boolean"),
        pytest.param(
            body(ROW, meta=b'{"next_page":9999999999999999999}'), Cause.WRONG_SHAPE, id="next_page fits no table"
        ),
        pytest.param(body(ROW, meta=b'{"page":2,"next_page":4}'), Cause.WRONG_SHAPE, id="another page"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, Cause.WRONG_SHAPE, id="nested too deeply"),
        pytest.param(b"\x80\xff" + body(ROW), Cause.BAD_ENCODING, id="no known encoding"),
    ],
)
def test_what_is_no_page_has_a_cause(given: bytes, cause: Cause) -> None:
    with pytest.raises(UpstreamError) as failure:
        read(given)
    assert failure.value.cause is cause


@pytest.mark.parametrize(
    ("row", "inner_id", "change_type"),
    [
        pytest.param(b'{"inner_id":55651236,"change_type":"added"}', "55651236", "added", id="a number as identity"),
        pytest.param(b'{"inner_id":1%s,"change_type":"added"}' % ZEROS, "1" + ZEROS.decode(), "added", id="long"),
        pytest.param(b'{"change_type":"added","data":{}}', None, "added", id="no identity"),
        pytest.param(b'{"inner_id":null,"change_type":"added"}', None, "added", id="identity is null"),
        pytest.param(b'{"inner_id":1.5,"change_type":"added"}', None, "added", id="identity is a fraction"),
        pytest.param(b'{"inner_id":true,"change_type":"added"}', None, "added", id="identity is a boolean"),
        pytest.param(b'{"inner_id":"1","change_type":null}', "1", "", id="no kind of change"),
        pytest.param(b'{"inner_id":"1"}', "1", "", id="kind of change is absent"),
        pytest.param(b'{"inner_id":"1","change_type":"exploded"}', "1", "exploded", id="an unknown kind of change"),
        pytest.param(b'{"inner_id":"1","change_type":"added","created_at":5}', "1", "added", id="time is a number"),
        pytest.param(b'"row"', None, "", id="no object at all"),
        pytest.param(b'{"inner_id":%s,"change_type":"added"}' % DIGITS, None, "added", id="5,000 digits"),
        pytest.param(b'{"id":1e400,"inner_id":"1","change_type":"added"}', "1", "added", id="an id beyond all"),
        pytest.param(b'{"inner_id":"1","change_type":"added","created_at":1e400}', "1", "added", id="odd time"),
    ],
)  # fmt: skip
def test_an_odd_row_is_kept_beside_its_neighbours(row: bytes, inner_id: str | None, change_type: str) -> None:
    page = read(body(ROW, row, ROW))
    assert [found.inner_id for found in page.rows] == ["55651236", inner_id, "55651236"]
    assert page.rows[1].change_type == change_type


def test_a_row_that_is_no_object_is_kept_as_data() -> None:
    assert bytes(read(body(b'"row"')).rows[0].data) == b'"row"'


@pytest.mark.parametrize(
    ("data", "kept", "notes"),
    [
        pytest.param(b'{"price":NaN}', b'{"price":"NaN"}', "not_a_number × 1", id="NaN"),
        pytest.param(
            b'{"a":-Infinity,"b":Infinity}', b'{"a":"-Infinity","b":"Infinity"}', "not_a_number × 2", id="inf"
        ),
        pytest.param(b'{"t":"a\nb"}', b'{"t":"a\\u000ab"}', "control_character × 1", id="raw line break"),
        pytest.param(b'{"t":"\\ud800x"}', b'{"t":"\\ufffdx"}', "lone_surrogate × 1", id="lone surrogate"),
        pytest.param(
            b'{"t":"NaN \\\\ud83d \\ud83d\\ude00","p":NaN}',
            b'{"t":"NaN \\\\ud83d \\ud83d\\ude00","p":"NaN"}',
            "not_a_number × 1",
            id="what only looks like a flaw stays",
        ),
    ],
)
def test_what_is_almost_json_is_repaired_and_noted(data: bytes, kept: bytes, notes: str) -> None:
    page = read(body(b'{"inner_id":"1","change_type":"added","data":' + data + b"}"))
    assert bytes(page.rows[0].data) == kept
    assert page.notes == notes


def an_offer(inner_id: str, data: bytes) -> bytes:
    """Return a row."""
    return b'{"inner_id":"' + inner_id.encode() + b'","change_type":"added", "data" : ' + data + b' ,"id":1}'


SOUND, FLAWED = b'{"t":"], {\\" \\ufffd","n":[1,{"a":[]}]}', '{"price":NaN,"t":"宝\n马\\ud800"}'.encode()


def test_what_had_to_be_repaired_is_kept_as_it_came_beside_its_row_and_no_other() -> None:
    rows = read(body(an_offer("1", SOUND), an_offer("2", FLAWED), b"[]", an_offer("3", SOUND))).rows
    assert [row.original for row in rows] == [UNSET, FLAWED.decode(), UNSET, UNSET]
    (event,) = events_of(
        read(body(an_offer("2", FLAWED))), platform="p", run_id="r", kind=PageKind.PAGE, seq=lambda _: 1
    )
    assert [record.original for record in decode(encode(event)).records] == [FLAWED.decode()]


def test_the_same_holds_for_changes_and_for_a_single_offer() -> None:
    rows = body(an_offer("1", FLAWED), meta=b'{"next_change_id":9}')
    assert [row.original for row in read_changes(rows, ChangeId(1), fetched_at=NOW).rows] == [FLAWED.decode()]
    flat = b'{"inner_id":"1","price":NaN}'
    assert read_offer(flat, InnerId("1")).original == flat.decode()
    assert read_offer(an_offer("1", FLAWED), InnerId("1")).original == FLAWED.decode()
    assert read_offer(an_offer("1", SOUND), InnerId("1")).original is UNSET


def test_rows_that_cannot_be_told_apart_in_what_came_are_read_all_the_same() -> None:
    page = read(body(an_offer("1", FLAWED)).replace(b'"result"', b'"\\u0072esult"'))
    assert [(row.inner_id, row.original) for row in page.rows] == [("1", UNSET)]


def test_a_page_without_flaws_carries_nothing_twice() -> None:
    page = read(body(an_offer("1", SOUND)))
    assert page.rows[0].original is UNSET
    assert b"original" not in encode(events_of(page, platform="p", run_id="r", kind=PageKind.PAGE, seq=lambda _: 1)[0])


def test_gbk_bytes_are_read() -> None:
    text = '{"result":[{"inner_id":"1","change_type":"added","data":{"mark":"宝马"}}],"meta":{"next_page":null}}'
    page = read(text.encode("gb18030"))
    assert json.loads(bytes(page.rows[0].data)) == {"mark": "宝马"}
    assert page.notes == "read as GB 18030"


def test_a_byte_order_mark_is_no_flaw() -> None:
    assert read(b"\xef\xbb\xbf" + body(ROW)).notes == ""


@pytest.mark.parametrize(
    ("given", "found"),
    [(b'{"change_id":3294715}', 3294715), (b'{"change_id":0}', 0), (b'{"change_id":"42"}', 42)],
    ids=["number", "zero", "text"],
)
def test_a_change_id_is_read(given: bytes, found: int) -> None:
    assert read_change_id(given) == found


@pytest.mark.parametrize(
    "given",
    [b'{"change_id":null}', b'{"change_id":-1}', b'{"change_id":"x"}', b'{"change_id":1.5}', b"{}", b"[]"],
    ids=["null", "negative", "word", "fraction", "absent", "list"],
)
def test_what_is_no_change_id_has_the_wrong_shape(given: bytes) -> None:
    with pytest.raises(UpstreamError) as failure:
        read_change_id(given)
    assert failure.value.cause is Cause.WRONG_SHAPE


@pytest.mark.skipif(not DATA.is_dir(), reason="the documented payloads are not here")
@pytest.mark.parametrize("path", sorted(DATA.glob("autoapi_*_offers_docs_*.json")), ids=lambda path: path.stem)
def test_the_documented_payloads_are_pages(path: Path) -> None:
    given = json.loads(path.read_bytes())
    page = read_offers(path.read_bytes(), given["meta"]["page"], fetched_at=NOW)
    assert [json.loads(bytes(row.data)) for row in page.rows] == [row["data"] for row in given["result"]]
    assert page.next_position == given["meta"]["next_page"]


def changes_body(*rows: bytes, following: bytes | None = b"21") -> bytes:
    """Return a body of `/changes?change_id=10`; None leaves `next_change_id` out."""
    cursor = b"" if following is None else b',"next_change_id":' + following
    return b'{"result":[' + b",".join(rows) + b'],"meta":{"cur_change_id":10' + cursor + b',"limit":20}}'


def read_ten(given: bytes) -> UpstreamPage:
    """Read it as the page asked with change id 10."""
    return read_changes(given, ChangeId(10), fetched_at=NOW)


REMOVED = b'{"id":12,"inner_id":"7","change_type":"removed","created_at":"2025-01-15T10:32:00+03:00"}'


@pytest.mark.parametrize(
    ("following", "cursor"),
    [(b"13", 13), (b"11", 11), (b"21", 13), (b"999999", 13), (b"null", None), (None, None)],
    ids=["next", "before the row", "beyond the last row", "far away", "null", "absent"],
)
def test_the_cursor_of_changes_is_followed(following: bytes | None, cursor: int | None) -> None:
    page = read_ten(changes_body(REMOVED, following=following))
    assert (page.position, page.next_position, len(page.rows)) == (10, cursor, 1)
    assert (page.rows[0].source_id, page.rows[0].change_type, bytes(page.rows[0].data)) == ("12", "removed", b"null")


@pytest.mark.parametrize(
    "name",
    [b"null", b'"x"', b"1.5", b"3", b'"' + DIGITS + b'"', b"9" * 40, DIGITS, '"\u0661\u0662"'.encode()],
    ids=["none", "a word", "a fraction", "below", "long text", "long number", "longer number", "digits of others"],
)
def test_a_row_without_an_id_that_helps_leaves_the_cursor_alone(name: bytes) -> None:
    row = b'{"id":%s,"inner_id":"7","change_type":"removed"}' % name
    assert read_ten(changes_body(row, following=b"21")).next_position == 21


@pytest.mark.parametrize("following", [b"10", b"9", b"-1"], ids=["the same", "back", "negative"])
def test_rows_under_a_cursor_that_does_not_grow_are_a_stall(following: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_ten(changes_body(REMOVED, following=following))
    assert caught.value.cause is Cause.STALLED


@pytest.mark.parametrize("following", [b"10", b"null", None, b"9", b"50"], ids=["same", "null", "absent", "back", "on"])
def test_an_empty_page_of_changes_is_the_end_whatever_its_cursor_says(following: bytes | None) -> None:
    page = read_ten(changes_body(following=following))
    assert (list(page.rows), page.next_position) == ([], None)


def test_a_change_id_of_zero_is_asked_and_followed() -> None:
    assert read_changes(changes_body(REMOVED, following=b"1"), ChangeId(0), fetched_at=NOW).next_position == 1


@pytest.mark.parametrize(
    ("row", "source_id"),
    [
        (b'{"inner_id":"7","change_type":"removed"}', None),
        (b'{"id":null,"inner_id":"7","change_type":"removed"}', None),
        (b'{"id":1.5,"inner_id":"7","change_type":"removed"}', None),
        (b'{"id":"12","inner_id":"7","change_type":"removed"}', "12"),
        (b'["no object"]', None),
    ],
    ids=["no id", "null", "a fraction", "text", "no object"],
)
def test_no_row_of_changes_is_dropped(row: bytes, source_id: str | None) -> None:
    assert [found.source_id for found in read_ten(changes_body(row, REMOVED)).rows] == [source_id, "12"]


@pytest.mark.parametrize(
    "given",
    [b'{"result":[]}', b'{"result":[],"meta":null}', b'{"error":"x"}', changes_body(REMOVED, following=b'"21"')],
    ids=["no meta", "null meta", "an error under 200", "cursor as text"],
)
def test_other_bodies_are_no_changes(given: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_ten(given)
    assert caught.value.cause is Cause.WRONG_SHAPE


@pytest.mark.parametrize(
    ("given", "data"),
    [
        (b'{"inner_id":"7","price":1.10}', b'{"inner_id":"7","price":1.10}'),
        (b'{"inner_id":7,"price":1}', b'{"inner_id":7,"price":1}'),
        (b'{"inner_id":"7","data":{"price": 1}}', b'{"price": 1}'),
        (b'{"data":{"inner_id":"7","price":1}}', b'{"inner_id":"7","price":1}'),
    ],
    ids=["flat", "flat, id as number", "wrapped", "id inside only"],
)
def test_an_offer_is_read_flat_or_wrapped_byte_for_byte(given: bytes, data: bytes) -> None:
    row = read_offer(given, InnerId("7"))
    assert (row.inner_id, row.change_type, row.source_id, bytes(row.data)) == ("7", "added", None, data)


@pytest.mark.parametrize(
    "given",
    [
        b'{"inner_id":"8","price":1}',
        b'{"inner_id":"7","data":{"inner_id":"8"}}',
        b'{"inner_id":"7","data":null}',
        b'{"message":"Not found"}',
        b'{"result":[],"meta":{}}',
        b"[]",
        b'{"inner_id":%s}' % DIGITS,
        b'{"inner_id":"7","data":{"inner_id":1e400}}',
    ],
    ids=["another", "another inside", "null", "a message", "a list answer", "a list", "5,000 digits", "beyond all"],
)
def test_an_answer_that_is_not_about_the_offer_is_none(given: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_offer(given, InnerId("7"))
    assert caught.value.cause is Cause.WRONG_SHAPE


@pytest.mark.skipif(not DATA.is_dir(), reason="recorded payloads are not here")
def test_recorded_changes_and_offers_are_read() -> None:
    for name in (
        "che168_changes_docs_en",
        "che168_changes_docs_ru",
        "dongchedi_changes_docs_en",
        "encar_changes_docs_en",
    ):
        page = read_changes((DATA / f"autoapi_{name}.json").read_bytes(), ChangeId(0), fetched_at=NOW)
        assert page.rows, name
        assert all(row.inner_id and row.change_type and (row.source_id or "").isdecimal() for row in page.rows), name
    flat = (DATA / "autoapi_che168_offer_flat_docs_ru.json").read_bytes()
    inner_id = InnerId(str(json.loads(flat)["inner_id"]))
    assert read_offer(flat, inner_id).inner_id == inner_id
