"""The rows of the table of causes for `/changes`, `/change_id` and `/offer`, asked about 10."""

from typing import Final

from tests.integration.fetcher.causes import LONG, OK, QUICK, STOP, CauseCase, answered
from tests.integration.fetcher.raw_server import sending, whole

from fetcher.core.retry import Verdict

ROW: Final = b'{"id":12,"inner_id":"7","change_type":"removed"}'


def changes(name: str, body: bytes, verdict: Verdict | None, text: str) -> CauseCase:
    """Return the row of an answer of `/changes`."""
    return CauseCase(f"changes: {name}", answered(sending(whole(OK, body=body))), verdict, text, ask="changes")


def cursor(name: str, following: str | None, verdict: Verdict | None, text: str = "") -> CauseCase:
    """Return the row of a page of one event with this `next_change_id`; None leaves it out."""
    pointer = "" if following is None else f',"next_change_id":{following}'
    body = b'{"result":[%s],"meta":{"cur_change_id":10%s}}' % (ROW, pointer.encode())
    return changes(f"next_change_id {name}", body, verdict, text)


def end(name: str, following: str | None) -> CauseCase:
    """Return the row of a page without events, which is the end whatever its cursor says."""
    pointer = "" if following is None else f',"next_change_id":{following}'
    body = b'{"result":[],"meta":{"cur_change_id":10%s}}' % pointer.encode()
    return changes(f"no events, next_change_id {name}", body, None, "")


def first(name: str, body: bytes, verdict: Verdict | None, text: str = "") -> CauseCase:
    """Return the row of an answer of `/change_id`."""
    return CauseCase(f"change_id: {name}", answered(sending(whole(OK, body=body))), verdict, text, ask="change_id")


def offer(name: str, line: str, body: bytes, verdict: Verdict | None, text: str = "") -> CauseCase:
    """Return the row of an answer of `/offer`."""
    return CauseCase(f"offer: {name}", answered(sending(whole(line, body=body))), verdict, text, ask="offer")


NOT_INT = "wrong_shape: Expected `int | null`, got `%s` - at `$.meta.next_change_id`"
ANOTHER = "wrong_shape: the answer is not about this offer"

CURSOR_CASES: Final = [
    cursor("after the last row", "13", None),
    cursor("far ahead", "4000000000000000000", None),
    cursor("null with rows", "null", None),
    cursor("absent with rows", None, None),
    cursor("the same", "10", LONG, "stalled_cursor: next_change_id 10 after 10"),
    cursor("lower", "9", LONG, "stalled_cursor: next_change_id 9 after 10"),
    cursor("negative", "-1", LONG, "stalled_cursor: next_change_id -1 after 10"),
    cursor("a text", '"13"', LONG, NOT_INT % "str"),
    cursor("a fraction", "13.5", LONG, NOT_INT % "float"),
    cursor("a boolean", "true", LONG, NOT_INT % "bool"),
    cursor(
        "beyond a table",
        "9999999999999999999",
        LONG,
        "wrong_shape: Expected `int` <= 4611686018427387903 - at `$.meta.next_change_id`",
    ),
    *(end(name, value) for name, value in (("null", "null"), ("absent", None), ("same", "10"), ("lower", "9"))),
    changes("no meta", b'{"result":[]}', LONG, "wrong_shape: Object missing required field `meta`"),
    changes("no result", b'{"meta":{}}', LONG, "wrong_shape: Object missing required field `result`"),
    changes("null", b"null", LONG, "wrong_shape: Expected `object`, got `null`"),
    changes("cut", b'{"result":[', QUICK, "not_json: cut or damaged"),
    changes("HTML", b"<html>", QUICK, "not_json: HTML"),
    changes("empty body", b"", QUICK, "not_json: empty body"),
    first("zero", b'{"change_id":0}', None),
    first("text", b'{"change_id":"7"}', None),
    first("negative", b'{"change_id":-1}', LONG, "wrong_shape: change_id is negative"),
    first("null", b'{"change_id":null}', LONG, "wrong_shape: Expected `int`, got `null` - at `$.change_id`"),
    first("absent", b"{}", LONG, "wrong_shape: Object missing required field `change_id`"),
    first("a word", b'{"change_id":"soon"}', LONG, "wrong_shape: Expected `int`, got `str` - at `$.change_id`"),
    first("HTML", b"<html>", QUICK, "not_json: HTML"),
    offer("another one", OK, b'{"inner_id":"11"}', LONG, ANOTHER),
    offer("a message", OK, b'{"message":"Not found"}', LONG, ANOTHER),
    offer("a list", OK, b"[]", LONG, "wrong_shape: Expected `object`, got `array`"),
    offer("404, which is an answer", "404 Not Found", b"", None),
    offer("403", "403 Forbidden", b"", STOP, "http_403: status 403"),
    offer("500", "500 Oops", b"", LONG, "http_5xx: status 500"),
]
