"""Attacks on HTTP itself, as data: what is sent byte by byte, and what may come back."""

from collections.abc import Iterator
from typing import Final

from tests.integration.gateway.attacks import BAD_REQUEST, CLOSED, FINE, TOKEN_HEADER, Attack
from tests.integration.gateway.raw_http import a_request

ALIVE: Final = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
TOO_LARGE: Final = frozenset({431})
NO_CONTENT: Final = frozenset({413})
SLOW: Final = frozenset({408})


def _sends(name: str, *parts: bytes, right: frozenset[int] = BAD_REQUEST, pause_s: float = 0.0) -> Attack:
    return Attack(name, parts, right, pause_s)


def smuggling() -> Iterator[Attack]:
    """Requests that two readers could understand in two ways, and bodies where none belongs."""
    hidden = b"GET /offers HTTP/1.1\r\nHost: x\r\n\r\n"
    for name, headers in {
        "both lengths": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "two lengths": b"Content-Length: 0\r\nContent-Length: 44\r\n",
        "a list of lengths": b"Content-Length: 0, 44\r\n",
        "a negative length": b"Content-Length: -1\r\n",
        "a length with a plus": b"Content-Length: +5\r\n",
        "a length that overflows": b"Content-Length: 99999999999999999999\r\n",
        "a length in hex": b"Content-Length: 0x10\r\n",
        "a space before the colon": b"Content-Length : 44\r\n",
        "an encoding nobody knows": b"Transfer-Encoding: xchunked\r\n",
        "an encoding after chunked": b"Transfer-Encoding: chunked, identity\r\n",
        "a folded header": b"X: a\r\n b\r\n",
        "a header without a colon": b"garbage\r\n",
        "a header without a name": b": x\r\n",
        "a NUL in a header": b"X: a\x00b\r\n",
        "a bare CR in a header": b"X: a\rb\r\n",
        "two hosts": b"Host: y\r\n",
    }.items():
        yield _sends(name, ALIVE + headers + b"\r\n" + hidden)
    for name, rest in {
        "a body": b"Content-Length: 33\r\n\r\n" + hidden,
        "a chunked body": b"Transfer-Encoding: chunked\r\n\r\n21\r\n" + hidden + b"\r\n0\r\n\r\n",
        "a chunked body, in capitals": b"TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n" + hidden,
        "a body that is announced": b"Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n",
    }.items():
        yield _sends(name, ALIVE + rest, right=NO_CONTENT)
    for name, chunks in {
        "a wrong chunk": b"zz\r\n",
        "a chunk of everything": b"ffffffffffffffffff\r\n",
        "a negative chunk": b"-1\r\n",
    }.items():
        yield _sends(name, ALIVE + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, right=frozenset({0, 400, 413}))
    yield _sends("a body that drips", ALIVE + b"Content-Length: 9\r\n\r\n", *[b"x"] * 9, right=NO_CONTENT, pause_s=0.1)
    yield _sends(
        "a body without an end", ALIVE + b"Content-Length: 9999999\r\n\r\n", *[b"x" * 65536] * 40, right=NO_CONTENT
    )


def no_http() -> Iterator[Attack]:
    """What is another protocol, another version, or nothing."""
    yield _sends("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))
    yield _sends("http/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    yield _sends("http/0.9", b"GET /health/live\r\n\r\n")
    yield _sends("http/1.2", b"GET /health/live HTTP/1.2\r\nHost: x\r\n\r\n")
    yield _sends("http/9.9", b"GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n")
    yield _sends("ssh", b"SSH-2.0-OpenSSH_9.2\r\n")
    yield _sends("smtp", b"EHLO example\r\n")
    yield _sends("redis", b"*1\r\n$4\r\nINFO\r\n")
    yield _sends("zeros", bytes(70_000))
    yield _sends("no host", b"GET /health/live HTTP/1.1\r\n\r\n")
    yield _sends("bare line feeds", b"GET /health/live HTTP/1.1\nHost: x\n\n")
    yield _sends("a tab in the request line", b"GET\t/health/live\tHTTP/1.1\r\nHost: x\r\n\r\n")
    yield _sends("no target", b"GET HTTP/1.1\r\nHost: x\r\n\r\n")
    yield _sends("an evil host", a_request(b"/offers", TOKEN_HEADER, host=b"evil.example"), right=FINE)
    yield _sends("html in the host", a_request(b"/offers", TOKEN_HEADER, host=b"<script>"), right=FINE)


def methods() -> Iterator[Attack]:
    """Methods that are not ours, and requests for other protocols."""
    for method in (b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"SEARCH", b"PURGE"):
        yield _sends(
            f"method {method.decode()}", a_request(b"/offers", TOKEN_HEADER, method=method), right=frozenset({405})
        )
    for method in (b"BREW", b"get", b"G\x00T", b"A" * 5000):
        yield _sends(f"no method {method[:8]!r}", a_request(b"/offers", TOKEN_HEADER, method=method))
    yield _sends("connect", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    yield _sends(
        "options for everything", a_request(b"*", TOKEN_HEADER, method=b"OPTIONS"), right=frozenset({400, 404, 405})
    )
    override = (b"X-HTTP-Method-Override: DELETE", b"X-HTTP-Method: DELETE", b"X-Method-Override: DELETE")
    yield _sends("another method in a header", a_request(b"/offers", TOKEN_HEADER, *override), right=FINE)
    rewritten = (b"X-Original-URL: /status", b"X-Rewrite-URL: /status", b"X-Forwarded-Host: evil.example")
    yield _sends("another address in a header", a_request(b"/health/live", *rewritten), right=FINE)
    for protocol in (b"websocket", b"h2c", b"x" * 200):
        head = (
            ALIVE + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AA\r\n\r\n"
        )
        yield _sends(f"upgrade to {protocol[:9].decode()}", head + b"PRI * HTTP/2.0\r\n\r\n", right=FINE)


def headers() -> Iterator[Attack]:
    """Too many headers, too large ones, and those that ask for parts and conditions."""
    yield _sends("200 headers", a_request(b"/offers", TOKEN_HEADER, *[b"a: b"] * 200), right=TOO_LARGE)
    yield _sends("5,000 headers", a_request(b"/offers", TOKEN_HEADER, *[b"a: b"] * 5000), right=TOO_LARGE)
    yield _sends("a header of 70 KB", a_request(b"/offers", b"X: " + b"a" * 70_000), right=TOO_LARGE)
    yield _sends("a header without an end", ALIVE + b"X: ", *[b"a" * 60_000] * 50, right=TOO_LARGE)
    yield _sends("a header's name without an end", ALIVE, *[b"a" * 60_000] * 50, right=TOO_LARGE)
    yield _sends("an address without an end", b"GET /", *[b"a" * 60_000] * 50, right=frozenset({414}))
    yield _sends("empty lines without an end", *[b"\r\n" * 5000] * 50, right=frozenset({400, 431}))
    for name, sent in {
        "a range": b"Range: bytes=0-0",
        "ranges beyond number": b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(1000)),
        "a range the wrong way": b"Range: bytes=9-1",
        "a date that is none": b"If-Modified-Since: yesterday",
        "tags that never close": b'If-None-Match: "' + b"a" * 8000,
        "tags beyond number": b"If-None-Match: " + b",".join([b'W/"x"'] * 1500),
        "a condition to write": b'If-Match: "x"',
        "encodings beyond number": b"Accept-Encoding: " + b",".join([b"gzip;q=0.1"] * 500),
        "a type that is none": b"Accept: ;;;///",
        "an id with a line break": b"X-Request-Id: a%0d%0aX-Evil: 1",
        "a forwarded address that is none": b"X-Forwarded-For: ', \xff, ::::",
        "forwarded addresses beyond number": b"X-Forwarded-For: " + b", ".join([b"10.0.0.1"] * 1000),
    }.items():
        yield _sends(name, a_request(b"/offers/50837332", TOKEN_HEADER, sent), right=FINE)
    yield _sends(
        "an id of an event that is none",
        a_request(b"/offers/stream", TOKEN_HEADER, b"Last-Event-ID: x"),
        right=frozenset({422}),
    )


def slow() -> Iterator[Attack]:
    """Requests that do not come to an end; the gateway under attack gives them half a second."""
    yield _sends("silence", right=CLOSED)
    yield _sends("half a request line", b"GET /off", right=SLOW)
    yield _sends("a request line byte by byte", *[bytes([byte]) for byte in ALIVE[:20]], right=SLOW, pause_s=0.1)
    yield _sends("a header now and then", ALIVE, *[b"a: b\r\n"] * 20, right=SLOW, pause_s=0.1)
    yield _sends("an empty line now and then", *[b"\r\n"] * 20, right=SLOW, pause_s=0.1)
    behind = [b"\r\n"] * 20
    yield _sends("an empty line now and then behind a request", ALIVE + b"\r\n", *behind, right=FINE, pause_s=0.1)
    yield _sends("half a request behind a request", ALIVE + b"\r\n" + ALIVE[:20], right=FINE)
    yield _sends("many requests at once", (ALIVE + b"\r\n") * 300 + b"GET /\0", right=frozenset({0, 200}))


def wire_attacks() -> list[Attack]:
    """Return every attack on HTTP itself."""
    return [*smuggling(), *no_http(), *methods(), *headers(), *slow()]
