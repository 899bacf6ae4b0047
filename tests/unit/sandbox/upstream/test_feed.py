"""The history as arithmetic agrees with a plain replay of its events."""

from dataclasses import dataclass, field

import pytest

from sandbox.upstream.feed import CYCLE, ChangeFeed, Kind
from sandbox.upstream.keys import Family, Key
from sandbox.upstream.listing import Listing
from sandbox.upstream.quirks import NO_QUIRKS, Quirks

CASES = [
    pytest.param(50, 1, 1, id="smallest, one event"),
    pytest.param(50, 3_000, 2, id="smallest, turned over many times"),
    pytest.param(137, 1_999, 3, id="prime size"),
    pytest.param(1_000, 8_011, 4, id="thousand"),
    pytest.param(4_321, 20_000, 5, id="lag above the minimum"),
]


@dataclass
class Replay:
    """The plain way: a set of active offers and the latest price event of each."""

    active: set[Key]
    priced: dict[Key, int] = field(default_factory=dict)
    known: set[Key] = field(default_factory=set)

    def apply(self, feed: ChangeFeed, number: int) -> None:
        """Apply one event and insist that it makes sense at its moment."""
        event = feed.event(number)
        if event.change_type == "added":
            assert event.key not in self.active
            assert (event.key in self.known) == (event.kind is Kind.RELISTED)
            self.active.add(event.key)
        elif event.change_type == "removed":
            assert event.key in self.active or event.kind is Kind.GHOST_REMOVED
            self.active.discard(event.key)
        else:
            self.priced[event.key] = number
            if event.kind is Kind.GHOST_CHANGED:
                self.active.add(event.key)
        self.known.add(event.key)


def _replayed(feed: ChangeFeed) -> Replay:
    everyone = {Key(Family.LISTED, n) for n in range(feed.initial)}
    return Replay(active={key for key in everyone if feed.is_active(key, 0)}, known=set(everyone))


@pytest.mark.parametrize(("offers", "events", "seed"), CASES)
def test_the_computed_state_equals_a_replay_of_all_events(offers: int, events: int, seed: int) -> None:
    feed = ChangeFeed(offers=offers, events=events, seed=seed)
    replay = _replayed(feed)
    for number in range(feed.total):
        replay.apply(feed, number)
    assert {key for key in replay.known if feed.is_active(key, feed.total)} == replay.active
    assert {key: feed.price_event(key, feed.total) for key in replay.priced} == replay.priced
    never = replay.known - set(replay.priced)
    assert {feed.price_event(key, feed.total) for key in never} <= {None}


@pytest.mark.parametrize(("offers", "events", "seed"), CASES)
def test_the_list_shows_exactly_the_active_listed_offers(offers: int, events: int, seed: int) -> None:
    feed = ChangeFeed(offers=offers, events=events, seed=seed)
    listing = Listing(feed, feed.total, NO_QUIRKS)
    shown = [listing.row(number).key for number in range(listing.rows)]
    everyone = [Key(Family.LISTED, n) for n in range(feed.known(Family.LISTED, feed.total))]
    assert len(shown) == offers
    assert set(shown) == {key for key in everyone if feed.is_active(key, feed.total)}


def test_the_state_in_the_middle_of_the_history_equals_a_replay_up_to_there() -> None:
    feed = ChangeFeed(offers=200, events=1_000, seed=6)
    replay = _replayed(feed)
    for number in range(feed.total):
        assert {key for key in replay.known if feed.is_active(key, number)} == replay.active
        replay.apply(feed, number)


def test_too_few_offers_have_no_history() -> None:
    feed = ChangeFeed(offers=49, events=1_000, seed=1)
    assert feed.total == 0
    assert Listing(feed, 0, NO_QUIRKS).offers == 49


def test_a_cycle_has_the_documented_share_of_added_events() -> None:
    feed = ChangeFeed(offers=1_000, events=4_000, seed=1)
    added = sum(feed.event(n).change_type == "added" for n in range(feed.total))
    assert 0.08 <= added / feed.total <= 0.20


def test_a_flash_offer_comes_changes_and_goes_in_three_events_in_a_row() -> None:
    feed = ChangeFeed(offers=1_000, events=CYCLE, seed=1)
    numbers = [n for n in range(CYCLE) if feed.event(n).key.family is Family.FLASH]
    assert [feed.event(n).change_type for n in numbers] == ["added", "changed", "removed"]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


@pytest.mark.parametrize("offers", [0, 1, 198, 199, 200, 5_000])
def test_repeats_come_on_top_of_the_offers_and_hide_none(offers: int) -> None:
    feed = ChangeFeed(offers=offers, events=0, seed=1)
    listing = Listing(feed, 0, Quirks())
    rows = [listing.row(number) for number in range(listing.rows)]
    full = [row.key for row in rows if not row.is_shell]
    assert len(set(full)) == offers
    assert len(rows) - offers == offers // 199


def test_some_repeats_are_shells_before_and_after_the_full_row() -> None:
    feed = ChangeFeed(offers=10_000, events=0, seed=1)
    listing = Listing(feed, 0, Quirks())
    rows = [listing.row(number) for number in range(listing.rows)]
    shells = [row.key for row in rows if row.is_shell]
    assert 3 <= len(shells) <= 7
    assert set(shells) <= {row.key for row in rows if not row.is_shell}


def test_late_arrivals_stand_first_and_shift_the_others() -> None:
    feed = ChangeFeed(offers=100, events=0, seed=1)
    before = [Listing(feed, 0, NO_QUIRKS).row(n).key for n in range(100)]
    after = [Listing(feed, 0, NO_QUIRKS, late=3).row(n).key for n in range(103)]
    assert after[:3] == [Key(Family.LATE, 2), Key(Family.LATE, 1), Key(Family.LATE, 0)]
    assert after[3:] == before


@pytest.mark.parametrize("offers", range(20, 90))
def test_repeats_and_shells_name_offers_of_the_list_only(offers: int) -> None:
    feed = ChangeFeed(offers=offers, events=0, seed=1)
    quirks = NO_QUIRKS.with_rate("repeated_inner_id", 0.1).with_rate("empty_shell", 0.1)
    listing = Listing(feed, 0, quirks)
    rows = [listing.row(number) for number in range(listing.rows)]
    assert {row.key for row in rows} == {row.key for row in rows if not row.is_shell}
    assert len({row.key for row in rows}) == offers
