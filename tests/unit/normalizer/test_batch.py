"""A batch as a value, and the rule of weight that closes it."""

import pytest

from normalizer.core.batch import Batch, Limits

LIMITS = Limits(weight=200, linger_s=0.5)


def a_batch(*weights: int) -> Batch[int]:
    batch: Batch[int] = Batch((), 0)
    for place, weight in enumerate(weights):
        batch = batch.with_item(place, weight)
    return batch


def test_a_batch_with_one_more_item_is_another_value() -> None:
    empty = a_batch()
    assert (empty.with_item(7, 20), empty) == (Batch((7,), 20), Batch((), 0))


@pytest.mark.parametrize(("weights", "full"), [((), False), ((199,), False), ((180, 20), True), ((500,), True)])
def test_a_batch_is_full_by_records(weights: tuple[int, ...], *, full: bool) -> None:
    assert LIMITS.is_full(a_batch(*weights)) is full


@pytest.mark.parametrize(("weight", "room"), [(19, True), (20, True), (21, False)])
def test_an_item_has_room_up_to_the_limit(weight: int, *, room: bool) -> None:
    assert LIMITS.has_room(a_batch(180), weight) is room
