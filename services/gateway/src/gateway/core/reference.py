"""The records of the reference sources: numbers with names, from three places, sorted into one list."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from gateway.core.errors import WrongShapeError


@dataclass(frozen=True, slots=True)
class ReferenceRecord:
    """One record of a reference source."""

    id: int
    name: str


def read_rows(rows: Iterable[tuple[object, object]]) -> Sequence[ReferenceRecord]:
    """Return the rows as records.

    Raises:
        WrongShapeError: An id is no number or a name is no text.
    """
    return [_record(number, name) for number, name in rows]


def _record(number: object, name: object) -> ReferenceRecord:
    if type(number) is not int or type(name) is not str:
        kinds = f"{type(number).__name__} and {type(name).__name__}"
        raise WrongShapeError(f"a number and a text are expected, not {kinds}")
    return ReferenceRecord(number, name)


def merged(answers: Mapping[str, Sequence[ReferenceRecord]]) -> Sequence[ReferenceRecord]:
    """Return the records of all sources by id."""
    return sorted(chain.from_iterable(answers.values()), key=lambda record: record.id)
