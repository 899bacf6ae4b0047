"""Who an offer is: its family, its number there, and its `inner_id`."""

from enum import IntEnum
from typing import NamedTuple

FIRST_INNER_ID = 43_510_784
SPACING = 16


class Family(IntEnum):
    """Families of offers; all but the first have a residue of their own, so ids never collide."""

    LISTED = 0
    GHOST_CHANGED = 12
    GHOST_REMOVED = 13
    FLASH = 14
    LATE = 15


class Key(NamedTuple):
    """The `number`-th offer of `family`."""

    family: Family
    number: int


def to_inner_id(key: Key, jitter: int) -> int:
    """Return the `inner_id`; `jitter` is the offer's own random number, which hides the spacing of listed offers."""
    residue = jitter % Family.GHOST_CHANGED if key.family is Family.LISTED else key.family
    return FIRST_INNER_ID + SPACING * key.number + residue


def to_key(inner_id: int) -> Key | None:
    """Return the key that `inner_id` may stand for; for a listed offer the caller compares the jitter."""
    number, residue = divmod(inner_id - FIRST_INNER_ID, SPACING)
    if number < 0:
        return None
    return Key(Family.LISTED if residue < Family.GHOST_CHANGED else Family(residue), number)
