"""A TCP forwarder that can be cut or held up: a server that is away or says nothing, without stopping it."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

FRAME: Final = struct.Struct(">BHI")
"""Kind, channel and size of a frame; one byte ends it."""
GREETING: Final = b"AMQP\0\0\x09\x01"
METHOD: Final = 1
BASIC_PUBLISH: Final = b"\0\x3c\0\x28"
"""Class 60, method 40."""
BLOCKED: Final = b"\0\x0a\0\x3c\x0blow on disk"
UNBLOCKED: Final = b"\0\x0a\0\x3d"


class Proxy:
    """Forwards connections from a free port on loopback to a server's port.

    Args:
        target: Where the server listens on loopback.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0
        self.accepted = 0

    async def open(self) -> None:
        """Listen; again on the same port after `cut`."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def hold_up(self) -> None:
        """Keep connections, and forward nothing."""
        self._flows.clear()

    def let_flow(self) -> None:
        """Forward again, and what was held up first."""
        self._flows.set()

    def drop(self) -> None:
        """Drop every connection; new ones are welcome."""
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            pair = {writer, far_writer}
            self._writers |= pair
            ways = [
                asyncio.create_task(self._upward(reader, far_writer, back=writer)),
                asyncio.create_task(_copy(far_reader, writer, self._flows)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            self._writers -= pair
            for end in pair:
                end.transport.abort()

    async def _upward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: asyncio.StreamWriter
    ) -> None:
        del back
        await _copy(reader, writer, self._flows)


class AlarmedProxy(Proxy):
    """A broker that lacks memory or disk, as its clients see it: it tells who publishes, and reads no more from them.

    Source: https://www.rabbitmq.com/docs/alarms and the frames of AMQP 0-9-1.
    """

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.blocked = 0
        self._is_well = asyncio.Event()

    def end_alarm(self) -> None:
        """Read on from everybody."""
        self._is_well.set()

    async def _upward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            writer.write(await reader.readexactly(len(GREETING)))
            while True:
                head = await reader.readexactly(FRAME.size)
                kind, _, size = FRAME.unpack(head)
                rest = await reader.readexactly(size + 1)
                if kind == METHOD and rest.startswith(BASIC_PUBLISH):
                    self.blocked += 1
                    back.write(_method(BLOCKED))
                    await self._is_well.wait()
                    back.write(_method(UNBLOCKED))
                writer.write(head + rest)


def _method(content: bytes) -> bytes:
    return FRAME.pack(METHOD, 0, len(content)) + content + b"\xce"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            await flows.wait()
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def forwarding(target: int) -> AsyncIterator[Proxy]:
    """Open a proxy in front of a port."""
    proxy = Proxy(target)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.cut()


@asynccontextmanager
async def alarmed(target: int) -> AsyncIterator[AlarmedProxy]:
    """Open one in front of a broker's port; its alarm ends with `end_alarm`."""
    proxy = AlarmedProxy(target)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.cut()
