"""Spans of what a request asks of PostgreSQL. While traces are off nothing here is made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from common.settings import DatabaseSettings
from common.tracing import current
from gateway.adapters.database import Database

if TYPE_CHECKING:
    from common.spans import Spans


class TracedDatabase(Database):
    """A database of which each loan of a connection is a span, waiting for one included, when a request asks."""

    def __init__(self, spans: "Spans", settings: DatabaseSettings, *, application: str) -> None:
        super().__init__(settings, application=application)
        self._spans = spans
        self._attributes: dict[str, str | int] = {
            "db.system.name": "postgresql",
            "db.namespace": settings.name,
            "server.address": settings.host,
            "server.port": settings.port,
        }

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Any]":
        """Lend a connection; see `Database.connection`."""
        if self._spans.here() is None:
            async with super().connection() as lent:
                yield lent
            return
        with self._spans.span("postgresql", "client", attributes=self._attributes):
            async with super().connection() as lent:
                yield lent


def new_database(settings: DatabaseSettings, *, application: str) -> Database:
    """Return a database, not yet open, with spans where there are any."""
    spans = current()
    if spans is None:
        return Database(settings, application=application)
    return TracedDatabase(spans, settings, application=application)
