"""Several platforms behind one address, each a source of its own."""

from collections.abc import Mapping
from datetime import date

from sandbox.upstream.filters import OfferFilter
from sandbox.upstream.source import ChangePage, OfferPage, Source, Summary, TruthPage


class Markets:
    """Passes each question on to the source of its platform."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    @property
    def platforms(self) -> frozenset[str]:
        """The platforms of all sources."""
        return frozenset(self._sources)

    def filters(self, platform: str) -> bytes:
        """Return the body of `/filters`."""
        return self._sources[platform].filters(platform)

    def offers(self, platform: str, page: int, wish: OfferFilter) -> OfferPage:
        """Return a page of the list."""
        return self._sources[platform].offers(platform, page, wish)

    def offer(self, platform: str, inner_id: str) -> bytes | None:
        """Return the body of `/offer`."""
        return self._sources[platform].offer(platform, inner_id)

    def change_id(self, platform: str, day: date) -> int:
        """Return the id of the first event of a day."""
        return self._sources[platform].change_id(platform, day)

    def changes(self, platform: str, change_id: int) -> ChangePage:
        """Return the events from `change_id` on."""
        return self._sources[platform].changes(platform, change_id)

    def shift(self, platform: str, count: int) -> None:
        """Let new offers arrive."""
        self._sources[platform].shift(platform, count)

    def advance(self, platform: str, events: int) -> None:
        """Let the next events of the platform happen; the moment is that of all."""
        self._sources[platform].advance(platform, events)

    def truth(self, platform: str, after: str, limit: int) -> TruthPage:
        """Return true final states."""
        return self._sources[platform].truth(platform, after, limit)

    def summary(self, platform: str) -> Summary:
        """Return the counts of the truth."""
        return self._sources[platform].summary(platform)
