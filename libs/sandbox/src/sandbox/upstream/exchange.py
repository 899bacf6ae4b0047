"""Requests and replies as values, and their way through ASGI."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"
HTML = b"text/html"
RESET_EXTENSION = "sandbox.reset"
"""Name of the ASGI extension `{"reset": callable}` that resets the connection."""


class Request(NamedTuple):
    """A request, taken apart."""

    method: str
    path: str
    query: Mapping[str, str]
    header_key: str

    @classmethod
    def of(cls, scope: Scope) -> "Request":
        """Read an ASGI scope; of several values of a parameter the last counts."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        key = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-api-key"), "")
        return cls(scope["method"], scope["path"], query, key)

    def position(self) -> int | None:
        """Return the page or the change id that is asked for, if there is one."""
        text = self.query.get("page") or self.query.get("change_id") or ""
        return int(text) if text.isascii() and text.isdecimal() else None


class Reply(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def json(cls, status: int, value: object) -> "Reply":
        """Make an answer of a JSON value."""
        return cls(status, json.dumps(value, ensure_ascii=False).encode())


async def send_reply(send: Send, reply: Reply, *, cut: bool = False) -> None:
    """Send an answer; one that is cut promises the whole body and ends in the middle of it."""
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if cut:
        await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
        return
    await send({"type": "http.response.body", "body": reply.body})


async def read_body(receive: Receive) -> bytes:
    """Read the whole body of a request."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
