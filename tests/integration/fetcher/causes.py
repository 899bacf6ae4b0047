"""The table of causes: what an upstream does when it is asked for page 3, and what must follow."""

import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch

from tests.integration.fetcher.raw_server import Answer, hanging, raw_server, repeating, resetting, sending, whole

from fetcher.core.retry import Retry, Stop, Verdict

LIMIT: Final = 1_000_000
"""Bound on a body, decompressed, in the tests of the table."""
QUICK: Final = Retry(1.0, quick=True)
LONG: Final = Retry(720.0)
STOP: Final = Stop()
WINDOW_S: Final = 14_400.0
SHORT_S: Final = 0.3

PAGE: Final = b'{"result":[],"meta":{"page":3,"next_page":4,"limit":20}}'
OK: Final = "200 OK"
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _bomb(mib: int) -> bytes:
    """Return gzip that grows a thousandfold; every full flush leaves a block that stands by itself."""
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(b" " * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08" + bytes(7) + block * mib


BOMB: Final = _bomb(1000)

Upstream = Callable[[], AbstractAsyncContextManager[str]]


@dataclass(frozen=True, slots=True)
class CauseCase:
    """One row.

    Attributes:
        name: What goes wrong.
        upstream: Opens it and gives its base URL.
        verdict: What follows the first try; None where the page is read all the same.
        text: The error's whole text; the notes of the page where it is read.
        deadline_s: Of the request.
        ask: What is asked for: page 3 of `offers`, or `changes`, `change_id` or `offer` about 10.
    """

    name: str
    upstream: Upstream
    verdict: Verdict | None
    text: str
    deadline_s: float = 30.0
    ask: str = "offers"


def answered(answer: Answer) -> Upstream:
    """Return an upstream that answers every request like this."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        async with raw_server(answer) as server:
            yield server.url

    return opened


def status(line: str, verdict: Verdict, text: str, headers: str = "", body: bytes = b'{"message":"x"}') -> CauseCase:
    """Return the row of an answer with a status other than 200."""
    name = f"{line} {headers.strip()}".strip()
    return CauseCase(name, answered(sending(whole(line, body=body, headers=headers))), verdict, text)


def body(name: str, sent: bytes, verdict: Verdict | None, text: str, encoding: str = "") -> CauseCase:
    """Return the row of a whole answer under 200."""
    headers = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    return CauseCase(name, answered(sending(whole(OK, body=sent, headers=headers))), verdict, text)


def shape(name: str, sent: bytes, text: str) -> CauseCase:
    """Return the row of JSON that is no page 3."""
    return body(name, sent, LONG, f"wrong_shape: {text}")


def wire(name: str, answer: Answer, verdict: Verdict, text: str, deadline_s: float = 30.0) -> CauseCase:
    """Return the row of what no whole answer is."""
    return CauseCase(name, answered(answer), verdict, text, deadline_s)


def next_page(name: str, value: str, text: str) -> CauseCase:
    """Return the row of a page 3 with this `next_page`."""
    return shape(f"next_page {name}", b'{"result":[],"meta":{"page":3,"next_page":%s}}' % value.encode(), text)


@asynccontextmanager
async def nobody_listens() -> AsyncIterator[str]:
    """Give the address of a port that refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api"


@asynccontextmanager
async def full_backlog() -> AsyncIterator[str]:
    """Give the address of a port whose queue is full: a handshake there is never answered."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for client in (first, second):
            client.settimeout(0)
            client.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api"


@asynccontextmanager
async def unknown_name() -> AsyncIterator[str]:
    """Give an address whose host name the resolver does not know."""
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with patch("socket.getaddrinfo", side_effect=unknown):
        yield "http://feedmill.invalid/api"


@asynccontextmanager
async def plain_under_https() -> AsyncIterator[str]:
    """Give an https address where a server speaks plain HTTP."""
    async with raw_server(sending(whole(OK, body=PAGE))) as server:
        yield server.url.replace("http:", "https:")


STATUSES = [
    status("400 Bad Request", STOP, "http_400: status 400"),
    status("401 Unauthorized", STOP, "http_401: status 401"),
    status("403 Forbidden", STOP, "http_403: status 403"),
    status("404 Not Found", STOP, "http_404: status 404", body=b"<html>"),
    status("405 Method Not Allowed", STOP, "http_405: status 405"),
    status("408 Request Timeout", LONG, "http_other: status 408"),
    status("409 Conflict", LONG, "http_other: status 409"),
    status("410 Gone", LONG, "http_other: status 410"),
    status("418 I'm a teapot", LONG, "http_other: status 418"),
    status("422 Unprocessable", LONG, "http_other: status 422"),
    status("425 Too Early", LONG, "http_other: status 425"),
    status("500 Internal Server Error", LONG, "http_5xx: status 500"),
    status("502 Bad Gateway", QUICK, "http_502: status 502", body=b"<html>"),
    status("503 Service Unavailable", LONG, "http_5xx: status 503"),
    status("504 Gateway Timeout", LONG, "http_5xx: status 504"),
    status("520 Web Server Returned an Unknown Error", LONG, "http_5xx: status 520"),
    status("599 Network Connect Timeout", LONG, "http_5xx: status 599"),
    status("204 No Content", LONG, "http_other: status 204", body=b""),
    status("206 Partial Content", LONG, "http_other: status 206", body=PAGE),
    status("304 Not Modified", LONG, "http_other: status 304", body=b""),
    status("999 Go Away", LONG, "http_other: status 999"),
    *(
        status(line, LONG, f"redirect: status {line[:3]}", f"Location: {target}\r\n")
        for line in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent")
        for target in ("http://127.0.0.1:9/elsewhere", "/api/v2/che168/offers?page=3")
    ),
]

RETRY_AFTER = [
    status(line, verdict, text, f"Retry-After: {value}\r\n")
    for line, text in (("429 Slow", "http_429: status 429"), ("503 Away", "http_5xx: status 503"))
    for value, verdict in (
        ("60", LONG),
        ("1800", Retry(1800.0)),
        (" 1800 ", Retry(1800.0)),
        ("Sat, 21 Nov 2026 08:28:00 GMT", Retry(3600.0)),
        ("Saturday, 21-Nov-26 08:28:00 GMT", Retry(3600.0)),
        ("Sat Nov 21 08:28:00 2026", Retry(3600.0)),
        ("Sat, 21 Nov 2026 07:00:00 GMT", LONG),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Retry(WINDOW_S)),
        ("999999999999999999999999", Retry(WINDOW_S)),
        ("9" * 5000, Retry(WINDOW_S)),
        ("0", LONG),
        ("-5", LONG),
        ("1.5e3", LONG),
        ("soon", LONG),
        ("Sat, 99 Nov 2026 99:99:99 GMT", LONG),
        ("", LONG),
    )
] + [
    status("502 Bad Gateway", Retry(7.0, quick=True), "http_502: status 502", "Retry-After: 7\r\n"),
    status("502 Bad Gateway", Retry(3600.0), "http_502: status 502", "Retry-After: 3600\r\n"),
    status("502 Bad Gateway", Retry(WINDOW_S), "http_502: status 502", "Retry-After: 999999999999\r\n"),
]

EARLY = "cut_body: answer ended early or is no HTTP"
LATE = f"timeout: no whole answer within {SHORT_S} s"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
LOST = "connection: connection lost"
LARGE = f"too_large: more than {LIMIT:,} bytes"

CONNECTIONS = [
    CauseCase("connection refused", nobody_listens, QUICK, "connection: cannot connect"),
    CauseCase("timeout at connect", full_backlog, LONG, LATE, SHORT_S),
    wire("timeout at the first byte", hanging(), LONG, LATE, SHORT_S),
    wire("timeout in the headers", hanging(b"HTTP/1.1 200 OK\r\nContent-"), LONG, LATE, SHORT_S),
    wire("timeout in mid-body", hanging(HEAD, PAGE), LONG, LATE, SHORT_S),
    wire("slow drip of the body", repeating(HEAD, b" ", pause_s=0.02), LONG, LATE, SHORT_S),
    wire("slow drip of headers", repeating(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", pause_s=0.02), LONG, LATE, SHORT_S),
    wire("reset before the answer", resetting(), QUICK, LOST),
    wire("reset in the headers", resetting(b"HTTP/1.1 200 OK\r\nContent-"), QUICK, LOST),
    wire("reset in mid-body", resetting(HEAD, PAGE), QUICK, LOST),
    wire("closed before the answer", sending(), QUICK, EARLY),
    wire("closed in the headers", sending(b"HTTP/1.1 200 OK\r\nContent-"), QUICK, EARLY),
    wire("closed in mid-body", sending(whole(OK, body=PAGE)[:-20]), QUICK, EARLY),
    wire("closed in a chunk", sending(CHUNKED, b"100\r\n{"), QUICK, EARLY),
    wire("closed before the last chunk", sending(CHUNKED, b"38\r\n" + PAGE + b"\r\n"), QUICK, EARLY),
    wire("chunk size that is no number", sending(CHUNKED, b"zz\r\n"), QUICK, EARLY),
    wire("another protocol", sending(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), QUICK, EARLY),
    wire("Content-Length that is no number", sending(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), QUICK, EARLY),
    wire("two lengths", sending(whole(OK, body=PAGE, headers="Content-Length: 7\r\n")), QUICK, EARLY),
    wire("huge header", sending(whole(OK, body=PAGE, headers=f"A: {'b' * 200_000}\r\n")), QUICK, EARLY),
    wire("headers without end", repeating(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000), QUICK, EARLY),
    CauseCase("host name without an address", unknown_name, LONG, "dns: the host name has no address"),
    CauseCase("plain HTTP under https", plain_under_https, LONG, "tls: WRONG_VERSION_NUMBER"),
]

SIZES = [
    body("body beyond the bound", b" " * (LIMIT + 1), LONG, LARGE),
    body("gzip bomb", BOMB, LONG, LARGE, "gzip"),
    body("gzip bomb, cut", BOMB[:2000], LONG, LARGE, "gzip"),
    body("deflate bomb", zlib.compress(b" " * 50_000_000, 9), LONG, LARGE, "deflate"),
    wire("chunks without end", repeating(CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n"), LONG, LARGE),
    wire("body of unknown length without end", repeating(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 4096), LONG, LARGE),
]

DAMAGED = "cut_body: compressed body is damaged"
NO_UTF = "bad_encoding: neither UTF-8 nor GB 18030"

ENCODINGS = [
    body("gzip nobody asked for", gzip.compress(PAGE), None, "", "gzip"),
    body("deflate nobody asked for", zlib.compress(PAGE), None, "", "deflate"),
    body("deflate without its header", zlib.compress(PAGE, wbits=-15), QUICK, DAMAGED, "deflate"),
    body("gzip, cut", gzip.compress(PAGE)[:-12], QUICK, "cut_body: compressed body ends early", "gzip"),
    body("no gzip at all", PAGE, QUICK, DAMAGED, "gzip"),
    body("empty gzip", b"", QUICK, "cut_body: compressed body ends early", "gzip"),
    body("brotli", PAGE, LONG, "bad_encoding: content encoding nobody asked for", "br"),
    body("two encodings", PAGE, LONG, "bad_encoding: content encoding nobody asked for", "gzip, br"),
    body("gzip without saying so", gzip.compress(PAGE), LONG, NO_UTF),
]

GBK_ROW = '{"result":[{"inner_id":"1","change_type":"added","data":{"mark":"奥迪"}}],"meta":{"next_page":4}}'
BODIES = [
    body("a good page", PAGE, None, ""),
    body("UTF-8 with a byte order mark", b"\xef\xbb\xbf" + PAGE, None, ""),
    body("GBK", GBK_ROW.encode("gbk"), None, "read as GB 18030"),
    body("NUL in a text", GBK_ROW.replace("奥", "\0").encode(), None, "control_character × 1"),
    body("lone surrogate", GBK_ROW.replace("奥", r"\ud83d").encode(), None, "lone_surrogate × 1"),
    body("UTF-16 with a byte order mark", GBK_ROW.encode("utf-16"), LONG, NO_UTF),
    body("UTF-16 without", PAGE.decode().encode("utf-16-le"), QUICK, "not_json: cut or damaged"),
    body("cut JSON", PAGE[:-9], QUICK, "not_json: cut or damaged"),
    body("cut within a character", GBK_ROW.encode()[:66], QUICK, "not_json: cut or damaged"),
    body("GBK, cut within a character", GBK_ROW.encode("gbk")[:66], QUICK, "not_json: cut or damaged"),
    body("NULs between the values", PAGE.replace(b":", b":\0"), QUICK, "not_json: cut or damaged"),
    body("bytes behind the page", PAGE + b"{}", QUICK, "not_json: cut or damaged"),
    body("HTML", b"\n<!DOCTYPE html><html>Just a moment</html>", QUICK, "not_json: HTML"),
    body("empty body", b"", QUICK, "not_json: empty body"),
    body("only blanks", b" \r\n\t ", QUICK, "not_json: empty body"),
    body("only a byte order mark", b"\xef\xbb\xbf", QUICK, "not_json: empty body"),
]

PATH = " - at `$.meta.next_page`"

SHAPES = [
    shape("null", b"null", "Expected `object`, got `null`"),
    shape("a list", b"[]", "Expected `object`, got `array`"),
    shape("a number", b"1", "Expected `object`, got `int`"),
    shape("a text", b'"maintenance"', "Expected `object`, got `str`"),
    shape("an error under 200", b'{"error":"something"}', "Object missing required field `result`"),
    shape("no result", b'{"meta":{"next_page":4}}', "Object missing required field `result`"),
    shape("no meta", b'{"result":[]}', "Object missing required field `meta`"),
    shape("meta is null", b'{"result":[],"meta":null}', "Expected `object`, got `null` - at `$.meta`"),
    shape("result is an object", b'{"result":{},"meta":{}}', "Expected `array`, got `object` - at `$.result`"),
    shape("result is null", b'{"result":null,"meta":{}}', "Expected `array`, got `null` - at `$.result`"),
    shape("nested too deeply", b"[" * 100_000 + b"]" * 100_000, "Expected `object`, got `array`"),
    shape("another page", b'{"result":[],"meta":{"page":2,"next_page":4}}', "the answer is another page"),
    shape("next_page absent", b'{"result":[],"meta":{}}', "Object missing required field `next_page` - at `$.meta`"),
    next_page("backward", "2", "next_page does not follow"),
    next_page("the same", "3", "next_page does not follow"),
    next_page("zero", "0", "next_page does not follow"),
    next_page("negative", "-1", "next_page does not follow"),
    next_page("far ahead", "1000000", "next_page does not follow"),
    next_page("a text", '"4"', f"Expected `int | null`, got `str`{PATH}"),
    next_page("a fraction", "4.5", f"Expected `int | null`, got `float`{PATH}"),
    next_page("a boolean", "true", f"Expected `int | null`, got `bool`{PATH}"),
    next_page("a list", "[4]", f"Expected `int | null`, got `array`{PATH}"),
    next_page("beyond a table", "9999999999999999999", f"Expected `int` <= 4611686018427387903{PATH}"),
]

CASES: Final = [*STATUSES, *RETRY_AFTER, *CONNECTIONS, *SIZES, *ENCODINGS, *BODIES, *SHAPES]
