"""HTTP as bytes: a client that can send what no client library would."""

import asyncio
import re
import socket
from dataclasses import dataclass
from typing import Final

CLOSED_WITHIN_S: Final = 60.0


@dataclass(frozen=True)
class Reply:
    """All that came before the server closed the connection; status 0: nothing did."""

    raw: bytes

    @property
    def status(self) -> int:
        """The status of the first answer."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw else 0

    @property
    def statuses(self) -> list[int]:
        """The status of each answer on the connection."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.raw)]

    @property
    def head(self) -> bytes:
        """Status line and headers of the first answer, in lower case."""
        return self.raw.split(b"\r\n\r\n", 1)[0].lower()

    @property
    def body(self) -> bytes:
        """What follows."""
        return self.raw.partition(b"\r\n\r\n")[2]


def a_request(target: bytes, *headers: bytes, method: bytes = b"GET", host: bytes = b"gateway") -> bytes:
    """Return a request after which the connection ends."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def exchange(port: int, *parts: bytes, pause_s: float = 0.0) -> Reply:
    """Send the parts one after another, and return what came back until the server closed the connection.

    Raises:
        TimeoutError: It did not.
    """
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.settimeout(0.0)
        async with asyncio.timeout(CLOSED_WITHIN_S):
            await loop.sock_connect(client, ("127.0.0.1", port))
            sending = asyncio.create_task(_send(client, parts, pause_s))
            try:
                return Reply(await _all(client))
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)


async def _all(client: socket.socket) -> bytes:
    """Return all that came; a stream of asyncio would lose it where sending failed first."""
    received = bytearray()
    try:
        while part := await asyncio.get_running_loop().sock_recv(client, 65536):
            received += part
    except ConnectionResetError:
        pass  # it had more to read and did not want it; what it said before counts
    return bytes(received)


async def _send(client: socket.socket, parts: tuple[bytes, ...], pause_s: float) -> None:
    loop = asyncio.get_running_loop()
    for part in parts:
        await loop.sock_sendall(client, part)
        await loop.run_in_executor(None, lambda: None) if not pause_s else await _pause(pause_s)


async def _pause(seconds: float) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()
