"""Answers that have gone wrong: those that a fault makes up, and those that it spoils."""

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache

from sandbox.upstream.exchange import HTML, Receive, Reply, Request, Send
from sandbox.upstream.faults import FaultKind, FaultRule, NextFault
from sandbox.upstream.specs import to_json

_HTML_PAGE = b"<html><head><title>Just a moment</title></head><body><h1>Service page</h1></body></html>"
_WRONG_SHAPE = {"items": [], "total": 0}
_FOUND = 302
_ELSEWHERE = "/elsewhere"
_MEGABYTE = bytes(1 << 20)
_BOMB_MEGABYTES = 512
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_LAST_BLOCK = b"\x03\0"
_ENDLESS_MEGABYTES = 64
_ENDLESS_CHUNK = b" " * (1 << 16)
_PAGE_OF_CHANGES = 20


def made_up(fault: FaultRule) -> Reply | None:
    """Return the answer of a rule that needs none of the contract, None for other rules."""
    maker = _MAKERS.get(fault.kind)
    return None if maker is None else maker(fault)


def spoiled(reply: Reply, fault: FaultRule, request: Request) -> Reply:
    """Return what a rule leaves of a right answer: itself for rules that do not touch it."""
    if fault.kind is FaultKind.NOT_JSON:
        return reply._replace(body=reply.body[: len(reply.body) // 2])
    if fault.kind is FaultKind.GBK:
        return reply._replace(body=reply.body.decode().encode("gbk", "replace"))
    if fault.kind in {FaultKind.NEXT_PAGE, FaultKind.NEXT_CHANGE_ID}:
        return reply._replace(body=_mispointed(reply.body, fault, request.position() or 0))
    return reply


def _mispointed(body: bytes, fault: FaultRule, position: int) -> bytes:
    """Replace the pointer in the `meta` at the end of a page."""
    name = b',"%b":' % str(fault.kind).encode()
    head, found, rest = body.rpartition(name)
    if not found:
        return body
    right, _, limit = rest.partition(b',"limit"')
    step = 1 if fault.kind is FaultKind.NEXT_PAGE else _PAGE_OF_CHANGES
    pointers = {
        NextFault.BACKWARD: b"%d" % (position - step),
        NextFault.SAME: b"%d" % position,
        NextFault.STRING: b'"%b"' % right,
        NextFault.NEGATIVE: b"-1",
    }
    way = NextFault(str(fault.way))
    pointer = b"" if way is NextFault.ABSENT else name + pointers[way]
    return b"".join((head, pointer, b',"limit"', limit))


def _status(fault: FaultRule) -> Reply:
    """Return the answer of a `status` rule: a text is sent as HTML, anything else as JSON."""
    if isinstance(fault.body, str):
        return Reply(fault.code, fault.body.encode(), HTML, _encoded(fault.headers))
    body = {"message": "Internal server error"} if fault.body is None else fault.body
    return Reply(fault.code, to_json(body), headers=_encoded(fault.headers))


def _redirect(fault: FaultRule) -> Reply:
    return Reply(_FOUND, b"", HTML, _encoded(fault.headers or {"Location": _ELSEWHERE}))


def _wrong_shape(fault: FaultRule) -> Reply:
    return Reply.json(200, _WRONG_SHAPE if fault.body is None else fault.body)


def _bomb(_fault: FaultRule) -> Reply:
    return Reply(200, gzip_bomb(_BOMB_MEGABYTES), headers=_encoded({"Content-Encoding": "gzip"}))


_MAKERS: Mapping[FaultKind, Callable[[FaultRule], Reply]] = {
    FaultKind.STATUS: _status,
    FaultKind.REDIRECT: _redirect,
    FaultKind.HTML_200: lambda _: Reply(200, _HTML_PAGE, HTML),
    FaultKind.EMPTY: lambda _: Reply(200, b""),
    FaultKind.WRONG_SHAPE: _wrong_shape,
    FaultKind.GZIP_BOMB: _bomb,
}


def _encoded(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), str(value).encode()) for name, value in headers.items())


@lru_cache(maxsize=1)
def gzip_bomb(megabytes: int) -> bytes:
    """Return a valid gzip stream of so many megabytes of NUL: a thousandth of that in size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    part = packer.compress(_MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(megabytes):
        checksum = zlib.crc32(_MEGABYTE, checksum)
    return _GZIP_HEAD + part * megabytes + _LAST_BLOCK + struct.pack("<II", checksum, megabytes << 20)


async def send_endless(send: Send, receive: Receive) -> None:
    """Send a body that never ends: 64 MB of spaces as fast as they are taken, then silence until the client goes."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range((_ENDLESS_MEGABYTES << 20) // len(_ENDLESS_CHUNK)):
        await send({"type": "http.response.body", "body": _ENDLESS_CHUNK, "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
