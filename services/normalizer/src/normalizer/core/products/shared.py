"""What products of a shop share, categories and marks, and whose word about them is the last: the shop's own lists'."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import msgspec

from normalizer.core.products.record import ID_OF, Category, Mark

_encode: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


class Ref(NamedTuple):
    """Which category or mark; `table` is where it is kept."""

    table: str
    id: str


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a category or mark.

    Attributes:
        is_listed: Whether the shop's own list has it; otherwise it is known from products only.
        seq: Version of the record that said so.
    """

    row: Category | Mark
    is_listed: bool
    seq: int


Shared = Mapping[Ref, Said]
"""Categories and marks of one shop."""


def ref(row: Category | Mark) -> Ref:
    """Return which category or mark a row is."""
    table = "categories" if isinstance(row, Category) else "marks"
    return Ref(table, getattr(row, ID_OF[type(row)]))


def listed(known: Shared, rows: Iterable[Category | Mark], *, seq: int) -> Shared:
    """Return what is known after the shop's own lists: theirs is the last word, and what they lack is unlisted."""
    result = {key: replace(said, is_listed=False) for key, said in known.items()}
    for row in rows:
        old = known.get(ref(row))
        is_said = old is not None and old.is_listed and old.row == row
        result[ref(row)] = old if old is not None and is_said else Said(row, is_listed=True, seq=seq)
    return result


def carried(known: Shared, rows: Iterable[tuple[int, Category | Mark]]) -> Shared:
    """Return what is known after products brought rows with their versions: they tell only of what is not listed."""
    result = dict(known)
    for seq, row in rows:
        old = result.get(ref(row))
        if old is None or (not old.is_listed and old.row != row and _is_newer(seq, row, old)):
            result[ref(row)] = Said(row, is_listed=False, seq=seq)
    return result


def unlisted(known: Shared) -> list[Ref]:
    """Return what the shop's own list lacks; nothing where there is no such list, or an empty one."""
    tables = {key.table for key, said in known.items() if said.is_listed}
    return sorted(key for key, said in known.items() if not said.is_listed and key.table in tables)


def difference(before: Shared, after: Shared) -> dict[str, list[Any]]:
    """Return `{"<table>:<id>": [old, new]}` of what readers see differ; null is absent."""
    result = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = (known[key].row if key in known else None for known in (before, after))
        if old != new:
            result[f"{key.table}:{key.id}"] = [old, new]
    return result


def _is_newer(seq: int, row: Category | Mark, old: Said) -> bool:
    """Of two products with one version the greater text wins, whichever comes first."""
    return (seq, _encode(row)) > (old.seq, _encode(old.row))
