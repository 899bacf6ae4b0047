"""Offers and their history made from a seed, each on demand."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from sandbox.upstream.arrivals import Arrivals
from sandbox.upstream.dongchedi import DongchediWriter
from sandbox.upstream.encar import EncarWriter
from sandbox.upstream.feed import ChangeFeed
from sandbox.upstream.filters import OfferFilter
from sandbox.upstream.keys import FIRST_INNER_ID, SPACING, Family, Key, to_key
from sandbox.upstream.listing import Listing, Row
from sandbox.upstream.moment import Moment, to_ms
from sandbox.upstream.offers import OfferWriter, Sight
from sandbox.upstream.quirks import Quirks, threshold
from sandbox.upstream.source import PAGE_SIZE, ChangePage, OfferPage, Summary, TruthPage
from sandbox.upstream.specs import to_json
from sandbox.upstream.timeline import MOSCOW, Timeline, midnight_ms, moscow_text, utc_text

WRITERS: Mapping[str, type[OfferWriter]] = {"dongchedi": DongchediWriter, "encar": EncarWriter}
"""Platforms with offers of their own shape; all others have that of che168."""
FIRST_CHANGE_ID = 8_350_504
_ID_SPACING = 3
_SEARCHES_KEPT = 8


@dataclass(frozen=True, slots=True)
class World:
    """What is generated: how many offers, from which seed, with how much history before `now` (aware).

    The history is numbered from `history_days` before `now`, so the same `now` gives the same change ids later, too.
    `cache_pages` is how many rendered pages of the whole list are kept, about 130 kB each.
    """

    offers: int
    seed: int
    platform: str
    changes_per_day: int
    history_days: int
    now: datetime
    quirks: Quirks
    cache_pages: int = 0


class GeneratedSource:
    """A marketplace of one platform as it is at a moment, which may move; memory does not depend on the offers.

    Every answer is computed from the number of events that have happened, so any moment is exact and none is stored.
    """

    def __init__(self, world: World, moment: Moment | None = None) -> None:
        quirks = world.quirks
        first_day = world.now.astimezone(MOSCOW).date() - timedelta(days=world.history_days)
        self._quirks = quirks
        self._platform = world.platform
        self._moment = moment or Moment(world.now)
        has_oddities = bool(quirks.ghost_events)
        self._timeline = Timeline(first_day, world.changes_per_day, has_silent_days=has_oddities)
        self._seen_ms = to_ms(world.now)
        events = self._timeline.events_before(self._seen_ms)
        self._feed = ChangeFeed(offers=world.offers, events=events, seed=world.seed, ghosts=has_oddities)
        self._end = self._feed.total
        self._arrivals = Arrivals()
        self._listing = Listing(self._feed, self._end, quirks)
        self._writer = WRITERS.get(world.platform, OfferWriter)(
            world.seed, quirks, start_s=self._timeline.start_ms // 1000
        )
        self._search = lru_cache(maxsize=_SEARCHES_KEPT)(self._start_search)
        self._page = lru_cache(maxsize=world.cache_pages)(self._render)

    @property
    def platforms(self) -> frozenset[str]:
        """The one platform."""
        return frozenset({self._platform})

    @property
    def _events(self) -> int:
        return self._end + self._arrivals.total

    def _catch_up(self) -> None:
        """Let happen what has become due since somebody asked last."""
        now_ms = self._moment.ms
        if now_ms == self._seen_ms:
            return
        self._seen_ms = now_ms
        due = 0 if self._feed.is_still else self._timeline.events_before(self._moment.last_event_ms)
        if due > self._end:
            self._end = due
            self._list_again()

    def _list_again(self) -> None:
        self._listing = Listing(self._feed, self._end, self._quirks, late=self._arrivals.total)
        self._search.cache_clear()
        self._page.cache_clear()

    def filters(self, _platform: str) -> bytes:
        """Return the values that offers are made of."""
        return to_json(self._writer.filters())

    def offers(self, _platform: str, page: int, wish: OfferFilter) -> OfferPage:
        """Return a page of the list, whole or filtered."""
        self._catch_up()
        if wish.is_empty:
            return self._page(page)
        numbers, has_next = self._search(wish).page((page - 1) * PAGE_SIZE)
        return OfferPage([self._row(self._listing.row(number)) for number in numbers], has_next)

    def _render(self, page: int) -> OfferPage:
        first = (page - 1) * PAGE_SIZE
        end = min(first + PAGE_SIZE, self._listing.rows)
        rows = [self._row(self._listing.row(number)) for number in range(first, end)]
        return OfferPage(rows, end < self._listing.rows)

    def offer(self, _platform: str, inner_id: str) -> bytes | None:
        """Return an active offer, flat or wrapped, most often with its `vin`."""
        self._catch_up()
        key = self._find(inner_id)
        if key is None or not self._is_active(key) or self._has_gone_early(key):
            return None
        data = self._writer.with_vin(self._writer.data(self._sight(key)), key)
        return b'{"inner_id":"%b","data":%b}' % (inner_id.encode(), data) if self._writer.wraps(key) else data

    def change_id(self, _platform: str, day: date) -> int:
        """Return the first id of a day in Moscow; of a day without events, the last id before its end."""
        self._catch_up()
        begin, end = self._places_before(day), self._places_before(day + timedelta(days=1))
        return self._event_id(begin if end > begin else max(0, end - 1))

    def _places_before(self, day: date) -> int:
        scheduled = min(self._timeline.events_before_day(day), self._end)
        return scheduled + self._arrivals.before(midnight_ms(day))

    def changes(self, _platform: str, change_id: int) -> ChangePage:
        """Return the next events, by arithmetic on the id."""
        self._catch_up()
        first = self._first_place(change_id)
        end = min(first + PAGE_SIZE, self._events)
        if first >= end:
            return ChangePage([], None, has_next=False)
        rows = [self._event(place) for place in range(first, end)]
        return ChangePage(rows, self._event_id(end - 1) + 1, end < self._events)

    def shift(self, _platform: str, count: int) -> None:
        """Let `count` offers arrive now."""
        self._catch_up()
        self._arrivals.add(count, after=self._end, moment_ms=self._moment.ms)
        self._list_again()

    def advance(self, _platform: str, events: int) -> None:
        """Move to the moment just after the next `events` scheduled events."""
        self._catch_up()
        if events and not self._feed.is_still and self._timeline.per_day:
            self._moment.move_on(self._timeline.at_ms(self._end + events - 1) + 1)

    def truth(self, _platform: str, after: str, limit: int) -> TruthPage:
        """Return `{inner_id, active, listed, data}` per offer; `listed` is false for those that no list ever shows."""
        self._catch_up()
        rows: list[bytes] = []
        last = None
        for key in self._keys_after(int(after) if after else 0):
            if len(rows) == limit:
                return TruthPage(rows, last)
            last = str(self._writer.inner_id(key))
            rows.append(self._state(key, last))
        return TruthPage(rows, None)

    def summary(self, _platform: str) -> Summary:
        """Return the counts, computed without a walk."""
        self._catch_up()
        known = {family: self._known(family) for family in Family}
        active = self._listing.offers + known[Family.GHOST_CHANGED]
        flashing = known[Family.FLASH] and self._is_active(Key(Family.FLASH, known[Family.FLASH] - 1))
        return Summary(
            known=sum(known.values()),
            active=active + int(flashing),
            listed=self._listing.offers,
            list_rows=self._listing.rows,
            events=self._events,
        )

    def _known(self, family: Family) -> int:
        return self._arrivals.total if family is Family.LATE else self._feed.known(family, self._end)

    def _is_active(self, key: Key) -> bool:
        return key.family is Family.LATE or self._feed.is_active(key, self._end)

    def _has_gone_early(self, key: Key) -> bool:
        if _chance(key.number, 3) >= threshold(self._quirks.offer_gone_early):
            return False
        removed = self._feed.removed_by(key)
        return removed is not None and removed < self._end + self._timeline.per_day

    def _find(self, inner_id: str) -> Key | None:
        key = to_key(int(inner_id)) if inner_id.isascii() and inner_id.isdecimal() else None
        if key is None or key.number >= self._known(key.family):
            return None
        return key if str(self._writer.inner_id(key)) == inner_id else None

    def _keys_after(self, inner_id: int) -> Iterator[Key]:
        known = [(family, self._known(family)) for family in Family]
        first = max(0, (inner_id - FIRST_INNER_ID) // SPACING)
        for number in range(first, max(count for _, count in known)):
            keys = [Key(family, number) for family, count in known if number < count]
            yield from (key for key in keys if number > first or self._writer.inner_id(key) > inner_id)

    def _sight(self, key: Key, end: int | None = None) -> Sight:
        if key.family is Family.LATE:
            return Sight(key, None, self._arrivals.moment_ms(key.number))
        added = self._feed.added_by(key)
        born_ms = None if added is None else self._timeline.at_ms(added)
        return Sight(key, self._feed.price_event(key, self._end if end is None else end), born_ms)

    def _state(self, key: Key, inner_id: str) -> bytes:
        active = b"true" if self._is_active(key) else b"false"
        listed = b"true" if key.family in {Family.LISTED, Family.LATE} else b"false"
        data = self._writer.data(self._sight(key))
        return b'{"inner_id":"%b","active":%b,"listed":%b,"data":%b}' % (inner_id.encode(), active, listed, data)

    def _row(self, row: Row) -> bytes:
        sight = self._sight(row.key)
        data = self._writer.shell(row.key) if row.is_shell else self._writer.data(sight)
        created = utc_text(self._writer.born_s(sight) * 1000)
        return self._added(self._writer.row_id(row.key), self._writer.inner_id(row.key), created, data)

    @staticmethod
    def _added(row_id: int, inner_id: int, created: bytes, data: bytes) -> bytes:
        head = b'{"id":%d,"inner_id":"%d","change_type":"added","created_at":"%b","data":' % (row_id, inner_id, created)
        return b"".join((head, data, b"}"))

    def _event_id(self, place: int) -> int:
        return FIRST_CHANGE_ID + _ID_SPACING * place + place * 7 % _ID_SPACING

    def _first_place(self, change_id: int) -> int:
        place = max(0, (change_id - FIRST_CHANGE_ID) // _ID_SPACING)
        return place if self._event_id(place) >= change_id else place + 1

    def _event(self, place: int) -> bytes:
        event_id = self._event_id(place)
        number, is_late = self._arrivals.at(place)
        if is_late:
            key = Key(Family.LATE, number)
            data = self._writer.data_of_added(self._sight(key))
            created = utc_text(self._arrivals.moment_ms(number))
            return self._added(event_id, self._writer.inner_id(key), created, data)
        event = self._feed.event(number)
        inner_id = self._writer.inner_id(event.key)
        created = self._created(number, self._timeline.at_ms(number))
        sight = self._sight(event.key, number + 1)
        if event.change_type == "added":
            return self._added(event_id, inner_id, created, self._writer.data_of_added(sight))
        body = b""
        if event.change_type == "changed":
            body = b',"data":' + self._writer.changed(sight)
        elif _chance(number, 1) < threshold(self._quirks.removed_with_empty_data):
            body = b',"data":{}'
        return b'{"id":%d,"inner_id":"%d","change_type":"%b","created_at":"%b"%b}' % (
            event_id,
            inner_id,
            event.change_type.encode(),
            created,
            body,
        )

    def _created(self, number: int, moment_ms: int) -> bytes:
        is_local = _chance(number, 2) < threshold(self._quirks.created_at_in_moscow_time)
        return moscow_text(moment_ms) if is_local else utc_text(moment_ms)

    def _start_search(self, wish: OfferFilter) -> "_Search":
        return _Search(self._matches(wish))

    def _matches(self, wish: OfferFilter) -> Iterator[int]:
        for number in range(self._listing.rows):
            row = self._listing.row(number)
            if not row.is_shell and wish.matches(self._writer.facts(self._sight(row.key))):
                yield number


class _Search:
    """A filtered list that is searched only as far as somebody has asked for."""

    def __init__(self, matches: Iterator[int]) -> None:
        self._matches = matches
        self._found = array("q")

    def page(self, first: int) -> tuple[list[int], bool]:
        """Return the row numbers of the page that starts at match `first`, and whether another page follows."""
        end = first + PAGE_SIZE
        while len(self._found) <= end:
            number = next(self._matches, None)
            if number is None:
                break
            self._found.append(number)
        return list(self._found[first:end]), len(self._found) > end


def _chance(number: int, purpose: int) -> int:
    """Return a 16-bit number that looks drawn, for a decision about an event."""
    mixed = (number * 4 + purpose) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 >> 32 & 0xFFFF
