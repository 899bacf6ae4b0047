"""What is computed about an order equals what is counted."""

import pytest

from sandbox.upstream.rotation import AffinePermutation


@pytest.mark.parametrize("size", [1, 2, 7, 64, 137])
def test_the_values_left_behind_a_position_are_found_without_a_walk(size: int) -> None:
    order = AffinePermutation.of(size)
    for position in range(size):
        left = sorted(order.at(place) for place in range(position, size))
        assert [order.nth_from(position, index) for index in range(len(left))] == left
        counts = [sum(order.position_of(value) < position for value in range(below)) for below in range(size + 1)]
        assert [order.stood_before(position, below) for below in range(size + 1)] == counts
