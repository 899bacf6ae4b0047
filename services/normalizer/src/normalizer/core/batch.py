"""A batch as a value: what is in it, and how heavy it is."""

from dataclasses import dataclass
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Batch(Generic[ItemT]):
    """Items that are handled together or not at all.

    Attributes:
        items: In the order of arrival.
        weight: The sum of the items' weights: records, not messages.
    """

    items: tuple[ItemT, ...]
    weight: int

    def with_item(self, item: ItemT, weight: int) -> "Batch[ItemT]":
        """Return the batch with one more item."""
        return Batch((*self.items, item), self.weight + weight)


@dataclass(frozen=True, slots=True)
class Limits:
    """The two rules that close a batch, besides shutdown.

    Attributes:
        weight: Records at which a batch is full. A message is never cut in two, so a batch may hold fewer; a single
            message that is heavier is a batch of its own.
        linger_s: Seconds after its first item at which a batch is due.
    """

    weight: int
    linger_s: float

    def is_full(self, batch: Batch[ItemT]) -> bool:
        """Return whether the batch takes no more."""
        return batch.weight >= self.weight

    def has_room(self, batch: Batch[ItemT], weight: int) -> bool:
        """Return whether an item of this weight still belongs into the batch."""
        return batch.weight + weight <= self.weight
