"""A server that answers with exactly the bytes it is told, for what no framework would send."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def whole(status: str, *, body: bytes = b"", headers: str = "") -> bytes:
    """Return a whole HTTP/1.1 answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def sending(*chunks: bytes) -> Answer:
    """Return an answer that sends these bytes and closes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return answer


def resetting(*chunks: bytes) -> Answer:
    """Return an answer that sends these bytes, lets them arrive, and resets the connection."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await sending(*chunks)(writer)
        if chunks:
            await asyncio.sleep(0.02)  # noqa: TID251 - a reset discards what the client has not read yet
        reset_on_close = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
        writer.transport.abort()

    return answer


def hanging(*chunks: bytes) -> Answer:
    """Return an answer that sends these bytes and then nothing, with the connection open."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await sending(*chunks)(writer)
        await asyncio.Event().wait()

    return answer


def repeating(head: bytes, chunk: bytes, *, pause_s: float = 0.0) -> Answer:
    """Return an answer that sends a head, then one chunk again and again without end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await sending(head)(writer)
        while True:
            await sending(chunk)(writer)
            if pause_s:
                await asyncio.sleep(pause_s)  # noqa: TID251 - a real server's pause

    return answer


@dataclass
class RawServer:
    """Where it listens, the heads of the requests that came, and how many connections were opened."""

    url: str
    requests: list[str] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def raw_server(
    *answers: Answer, keeps_alive: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve the n-th request with the n-th answer, later ones with the last; nothing outlives the block.

    Args:
        answers: What is sent for a request without a body, once its first bytes have come.
        keeps_alive: Serve further requests of a connection; otherwise it is closed after an answer.
        tls: Speak TLS.
    """
    served = RawServer("")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        served.connections += 1
        try:
            while not writer.is_closing() and (head := await reader.read(65536)):
                served.requests.append(head.decode(errors="replace"))
                await answers[min(len(served.requests), len(answers)) - 1](writer)
                if not keeps_alive:
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has had enough, or the test is over
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    served.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/api/v2/che168"
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
