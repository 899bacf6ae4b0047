"""Whether a record says what is stored already: the order of its lists says nothing, and neither do spelling or space.

A vendor sends the same shop again and again, its lists in another order each time (UPSTREAMS §3.3). What says nothing
new must be written nowhere.
"""

from collections import Counter
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

from normalizer.core.merge import RawRow
from normalizer.core.products.values import decoded


def says_the_same(before: RawRow, after: RawRow) -> bool:
    """Return whether `after` has no news for a reader of `before`, versions apart."""
    if (before.active, before.is_complete) != (after.active, after.is_complete):
        return False
    return before.data == after.data or is_same(before.data, after.data)


def is_same(one: bytes, other: bytes) -> bool:
    """Return whether two JSON objects differ by no more than order of keys, spelling, and order of their own lists.

    Lists further inside keep their order: those are pictures and steps, not rows.
    """
    try:
        return _record(decoded(one)) == _record(decoded(other))
    except (ValueError, RecursionError):
        return False


def _record(fields: dict[str, Any]) -> Hashable:
    return frozenset(
        (name, (set, frozenset(Counter(map(_value, value)).items())) if isinstance(value, list) else _value(value))
        for name, value in fields.items()
    )


def _value(value: Any) -> Hashable:
    """Return a value that is equal iff JSON is: 1 and 1.0 are one, 1 and true are not."""
    if isinstance(value, dict):
        return (dict, frozenset((name, _value(member)) for name, member in value.items()))
    if isinstance(value, list):
        return (list, tuple(map(_value, value)))
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    return (type(value), value)
