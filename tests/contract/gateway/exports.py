"""An exporter in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from common.errors import FeedmillError
from gateway.core.export import ExportQuery


@dataclass
class FakeExports:
    """OfferExporter that gives `parts`, then fails if it has a `failure`; `open` counts those under way."""

    parts: Sequence[bytes] = (b'{"inner_id":"1"}\n', b'{"inner_id":"2"}\n')
    failure: FeedmillError | None = None
    open: int = 0
    given: int = 0
    asked: list[ExportQuery] = field(default_factory=list)

    @asynccontextmanager
    async def opened(self, query: ExportQuery) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the parts."""
        self.asked.append(query)
        self.open += 1
        try:
            yield self._parts()
        finally:
            self.open -= 1

    async def _parts(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            self.given += 1
            yield part
        if self.failure is not None:
            raise self.failure
