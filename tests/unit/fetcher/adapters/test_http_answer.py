"""Answers put together from bytes, in one piece and byte by byte."""

import pytest

from fetcher.adapters.http_answer import Answer, Exchange
from fetcher.core.errors import Cause, UpstreamError

LIMIT = 100
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def exchange_of(sent: bytes, *, size: int = 65_536, is_tunnel: bool = False) -> Exchange:
    """Return an exchange that was fed these bytes in pieces of `size`."""
    exchange = Exchange(LIMIT, is_tunnel=is_tunnel)
    for place in range(0, len(sent), size):
        exchange.feed(sent[place : place + size])
    return exchange


def answer_of(sent: bytes, *, size: int = 65_536) -> Answer:
    """Return the answer that these bytes are."""
    return exchange_of(sent, size=size).outcome.result()


def cause_of(exchange: Exchange) -> Cause:
    """Return why there is no answer."""
    error = exchange.outcome.exception()
    assert isinstance(error, UpstreamError)
    return error.cause


@pytest.mark.parametrize("size", [1, 7, 65_536], ids=["byte by byte", "in pieces", "whole"])
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(WHOLE, id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", id="chunks"
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, id="continue first"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WHOLE, id="hints first"),
    ],
)
async def test_a_whole_answer_is_read(sent: bytes, size: int) -> None:
    assert (answer_of(sent, size=size).status, answer_of(sent, size=size).body) == (200, b"{}")


async def test_headers_are_known_in_lower_case_and_repeated_ones_joined() -> None:
    sent = WHOLE.replace(b"\r\n\r\n", b"\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
    assert answer_of(sent).headers == {"content-length": "2", "x-a": "1, 2"}


async def test_hints_leave_no_header_behind() -> None:
    assert answer_of(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WHOLE).headers == {"content-length": "2"}


async def test_another_status_is_told_before_its_body_comes() -> None:
    exchange = exchange_of(b"HTTP/1.1 503 Away\r\nContent-Length: 1000\r\nRetry-After: 5\r\n\r\n")
    assert exchange.outcome.result() == Answer(503, {"content-length": "1000", "retry-after": "5"}, b"")
    assert not exchange.keeps_connection


@pytest.mark.parametrize(
    ("head", "keeps"),
    [("HTTP/1.1 200 OK", True), ("HTTP/1.1 200 OK\r\nConnection: close", False), ("HTTP/1.0 200 OK", False)],
)
async def test_the_connection_is_kept_where_both_sides_may(head: str, *, keeps: bool) -> None:
    exchange = exchange_of(f"{head}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    assert exchange.outcome.done()
    assert exchange.keeps_connection is keeps


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    exchange = exchange_of(b"HTTP/1.0 200 OK\r\n\r\n{}")
    assert not exchange.outcome.done()
    exchange.end(None)
    assert exchange.outcome.result().body == b"{}"


async def test_a_body_without_a_length_is_not_whole_when_the_connection_broke() -> None:
    exchange = exchange_of(b"HTTP/1.0 200 OK\r\n\r\n{}")
    exchange.end(ConnectionResetError())
    assert cause_of(exchange) is Cause.CONNECTION


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", WHOLE[:-1]], ids=["nothing", "half a head", "half a body"])
async def test_an_answer_that_ends_early_is_none(sent: bytes) -> None:
    exchange = exchange_of(sent)
    exchange.end(None)
    assert cause_of(exchange) is Cause.CUT_BODY


@pytest.mark.parametrize("size", [1000, 10_000_000], ids=["in pieces", "whole"])
@pytest.mark.parametrize("line", [b"A: " + b"b" * 70_000, b"A: b\r\n" * 14_000], ids=["one", "many"])
async def test_a_head_beyond_its_bound_is_refused(line: bytes, size: int) -> None:
    assert cause_of(exchange_of(b"HTTP/1.1 200 OK\r\n" + line, size=size)) is Cause.CUT_BODY


async def test_a_body_beyond_its_bound_is_refused() -> None:
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b" " * 101
    assert cause_of(exchange_of(sent)) is Cause.TOO_LARGE


async def test_a_second_answer_is_not_listened_to() -> None:
    exchange = exchange_of(WHOLE + b"HTTP/1.1 500 Oops\r\nX-A: 1\r\n\r\n")
    assert exchange.outcome.result() == Answer(200, {"content-length": "2"}, b"{}")
    assert not exchange.keeps_connection


async def test_a_change_of_protocol_is_no_answer() -> None:
    sent = b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI"
    assert cause_of(exchange_of(sent)) is Cause.CUT_BODY


async def test_a_tunnel_begins_where_the_head_ends() -> None:
    exchange = exchange_of(b"HTTP/1.1 200 Connection established\r\n\r\n", is_tunnel=True)
    assert (exchange.outcome.result().status, exchange.keeps_connection) == (200, True)


async def test_a_refused_tunnel_is_told() -> None:
    exchange = exchange_of(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", is_tunnel=True)
    assert (exchange.outcome.result().status, exchange.keeps_connection) == (407, False)
