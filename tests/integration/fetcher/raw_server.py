"""A server that answers with exactly the bytes it is told, for what no framework would send."""

import asyncio
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


@dataclass
class RawServer:
    """Where it listens, and the heads of the requests that came."""

    url: str
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[RawServer]:
    """Serve every request with `answer`, then close its connection; nothing outlives the block."""
    served: list[RawServer] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            served[0].requests.append((await reader.read(65536)).decode(errors="replace"))
            await answer(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has had enough, or the test is over
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    served.append(RawServer(f"http://127.0.0.1:{port}/api/v2/che168"))
    try:
        yield served[0]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
