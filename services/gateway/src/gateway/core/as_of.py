"""Up to which moment the catalogue is known to be complete.

Of a platform that is the start of its last run that reached the end (first load, daily update or snapshot) and of
which, as of every run before it, no page is open: published and not landed, or missing. Whatever the source had said by
then is in the catalogue. What changed there since may be there too, and is whole only after the next run.

It is asked for once a second at most, always before the answer is read: an answer may be newer than it says, never
older.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Final, Protocol

from common.clock import Clock
from common.errors import FeedmillError
from common.log import fields
from gateway.core.reads import ReadRoute

KEPT_S: Final = 1.0
OFFERS: Final = ("offers", "filters")
PRODUCTS: Final = ("products", "categories")
BOTH: Final = ("search", "changes", "change_id")
AREAS: Final = frozenset((*OFFERS, *PRODUCTS, *BOTH))
"""The parts of the API that show the catalogue, by the first part of their paths."""
Moments = Mapping[str, datetime | None]
"""Platforms and shops that were ever asked → the moment; None: no run has been whole yet."""
_log = logging.getLogger(__name__)


class AsOf(Protocol):
    """Knows the moments."""

    async def of(self, area: str, platform: str | None = None) -> datetime | None:
        """Return the moment of all that one of `AREAS` shows, or of one platform in it; None: it is not known."""
        ...


class DataAsOf:
    """Keeps the moments.

    Args:
        load: Asks for them.
        clock: When to ask again.
        platforms: Marketplaces that are followed.
        shops: Shops that are followed.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Moments]],
        *,
        clock: Clock,
        platforms: Collection[str],
        shops: Collection[str],
    ) -> None:
        self._load = load
        self._clock = clock
        self._areas: Mapping[str, Collection[str]] = {
            **dict.fromkeys(OFFERS, tuple(platforms)),
            **dict.fromkeys(PRODUCTS, tuple(shops)),
            **dict.fromkeys(BOTH, (*platforms, *shops)),
        }
        self._moments: Moments = {}
        self._due = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def of(self, area: str, platform: str | None = None) -> datetime | None:
        """Return the moment of all that one of `AREAS` shows, or of one platform in it; None: it is not known.

        The first call waits for the database; later ones take what was known a second ago.
        """
        is_first = self._due == float("-inf")
        if self._clock.monotonic() >= self._due and self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        if is_first and self._asking is not None:
            await asyncio.shield(self._asking)
        named = self._areas[area] if platform is None else {platform}.intersection(self._areas[area])
        found = [self._moments[name] for name in named if name in self._moments]
        known = [moment for moment in found if moment is not None]
        return min(known) if known and len(known) == len(found) else None

    async def _ask(self) -> None:
        try:
            self._moments = await self._load()
        except FeedmillError as error:
            _log.debug(fields("data as of which moment is not known", error=error))
        finally:
            self._due = self._clock.monotonic() + KEPT_S
            self._asking = None


class AnswererAsOf:
    """The moments of the database that answers; a caller who has heard the primary's reads the primary then."""

    def __init__(self, route: ReadRoute, *, primary: AsOf, replica: AsOf) -> None:
        self._route = route
        self._primary = primary
        self._replica = replica

    async def of(self, area: str, platform: str | None = None) -> datetime | None:
        """Return the moment, as AsOf has it."""
        return await (self._replica if self._route.chooses_replica() else self._primary).of(area, platform)
