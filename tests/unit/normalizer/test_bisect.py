"""The search for culprits: neighbours are stored, once, and the search is short."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import pytest

from normalizer.core.bisect import culprits
from normalizer.core.errors import PoisonError, TransientError


@dataclass
class Storage:
    """Stores parts that hold nothing bad, all-or-nothing."""

    bad: frozenset[int]
    stored: list[int] = field(default_factory=list)
    attempts: int = 0

    async def attempt(self, part: Sequence[int]) -> None:
        """Store a part."""
        self.attempts += 1
        assert list(part) == sorted(part), "rows are locked in the order of their keys"
        if found := self.bad.intersection(part):
            raise PoisonError(f"bad: {sorted(found)}")
        self.stored.extend(part)


@pytest.mark.parametrize(
    ("bad", "most_attempts"),
    [
        pytest.param([], 1, id="none"),
        pytest.param([0], 11, id="the first"),
        pytest.param([99], 11, id="the last of the first half"),
        pytest.param([199], 11, id="the last"),
        pytest.param([50, 51], 26, id="two neighbours"),
        pytest.param([99, 100], 26, id="two neighbours across the middle"),
        pytest.param([3, 47, 48, 120, 199], 70, id="five"),
        pytest.param([*range(200)], 407, id="all"),
    ],
)
async def test_culprits_are_named_and_their_neighbours_stored_once_in_order(bad: list[int], most_attempts: int) -> None:
    storage = Storage(frozenset(bad))
    found = await culprits(range(200), storage.attempt)
    assert [item for item, _ in found] == bad
    assert [str(error) for _, error in found] == [f"bad: [{item}]" for item in bad]
    assert sorted(storage.stored) == [item for item in range(200) if item not in bad]
    assert storage.attempts <= most_attempts


async def test_one_culprit_of_200_costs_at_most_11_attempts_wherever_it_stands() -> None:
    attempts = []
    for place in range(200):
        storage = Storage(frozenset({place}))
        await culprits(range(200), storage.attempt)
        attempts.append(storage.attempts)
    assert max(attempts) == 11


@pytest.mark.parametrize("size", range(1, 9))
async def test_any_culprits_of_a_few_are_found_and_every_part_is_given_in_order(size: int) -> None:
    for chosen in product([False, True], repeat=size):
        storage = Storage(frozenset(item for item in range(size) if chosen[item]))
        assert {item for item, _ in await culprits(range(size), storage.attempt)} == storage.bad
        assert sorted(storage.stored) == [item for item in range(size) if item not in storage.bad]


async def test_nothing_to_store_needs_no_attempt() -> None:
    storage = Storage(frozenset())
    assert await culprits([], storage.attempt) == []
    assert storage.attempts == 0


async def test_any_other_error_ends_the_search() -> None:
    async def away(part: Sequence[int]) -> None:
        raise TransientError(str(part))

    with pytest.raises(TransientError):
        await culprits([1, 2], away)
