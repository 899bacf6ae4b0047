"""The platform's reference of marks, models and words (`/filters`), kept as it came."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from common.log import fields
from fetcher.core.errors import LoadStoppedError, SchemaError
from fetcher.core.job import Frame
from fetcher.core.ports import FailedPage
from fetcher.core.reading import PatientReader
from fetcher.core.retry import RetryPolicy

_log = logging.getLogger(__name__)


class ReferenceStore(Protocol):
    """Where references are kept. Every method raises UnavailableError while the database is away."""

    async def filters_fetched_at(self, platform: str) -> datetime | None:
        """Return when the reference of a platform was fetched; None: never."""
        ...

    async def save_filters(self, platform: str, data: bytes, fetched_at: datetime) -> None:
        """Keep a reference, one JSON object in UTF-8, in place of the one before.

        Raises:
            SchemaError: It cannot be stored.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reference:
    """Fetches the reference of one platform. Nobody waits for it: what fails is a warning, and tried another day.

    Attributes:
        ask: One request for it.
        policy: Patience, without long waits.
    """

    frame: Frame
    ask: Callable[[], Awaitable[bytes]]
    reader: PatientReader
    store: ReferenceStore
    policy: RetryPolicy

    async def keep(self, *, older_than: timedelta = timedelta(0)) -> bool:
        """Fetch and keep it if what is kept is older; return whether it was fetched."""
        platform, clock = self.frame.platform, self.frame.clock
        fetched_at = await self.frame.patiently(lambda: self.store.filters_fetched_at(platform))
        if fetched_at is not None and clock.now() - fetched_at < older_than:
            return False
        try:
            found = await self.reader.answer(self.ask, "filters", policy=self.policy)
            if not isinstance(found, FailedPage):
                await self.frame.patiently(lambda: self.store.save_filters(platform, found, clock.now()))
                return True
            error = found.error
        except (LoadStoppedError, SchemaError) as failure:
            error = str(failure)
        _log.warning(fields("filters were not fetched", platform=platform, error=error))
        return False
