"""auto-api's contract, served from our catalogue: what may be asked, and one change as its event.

Like there, a page has 20 rows, names that nobody knows are ignored, and so is a value that is empty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from common.events import MAX_INNER_ID
from gateway.core import parameters
from gateway.core.parameters import Day, Parameter, Value, Whole, Words
from gateway.core.query import FILTERS, Condition

PREFIX: Final = "/api/v2/"
PAGE: Final = 20
MAX_PAGE: Final = 1_000_000
_NAMES: Final = {
    *("mark", "model", "transmission_type", "color", "body_type", "engine_type", "drive_type"),
    *("year_from", "year_to", "km_age_from", "km_age_to", "price_from", "price_to"),
}
_FILTERS: Final = tuple(f for f in FILTERS if f.parameter.name in _NAMES)
_PAGE: Final = Parameter("page", Whole(1, MAX_PAGE), "Page, from 1.", 1, required=True)
OFFERS: Final[Mapping[str, Parameter]] = {p.name: p for p in (_PAGE, *(f.parameter for f in _FILTERS))}
OFFER: Final = {"inner_id": Parameter("inner_id", Words(MAX_INNER_ID), "The offer.", "50837332", required=True)}
CHANGE_ID: Final = {"date": Parameter("date", Day(), "Day in the platform's zone.", "2026-11-20", required=True)}
CHANGES: Final = {"change_id": Parameter("change_id", Whole(0, 2**62), "The first event wanted.", 1, required=True)}
NOTHING: Final[Mapping[str, Parameter]] = {}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs by platform.

    Attributes:
        zone: Where its days begin.
        changed_fields: Names in a `changed` event → names in the full record.
        extras_field: The field of a record from which contacts of persons are left out; None: from none.
    """

    zone: tzinfo
    changed_fields: Mapping[str, str]
    extras_field: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `/offers` or `/changes`; `data` is JSON text, None where an event has none."""

    id: int
    inner_id: str
    change_type: str
    created_at: str
    data: str | None


def read(pairs: Iterable[tuple[str, str]], known: Mapping[str, Parameter]) -> dict[str, Value]:
    """Return the values by name.

    Raises:
        InvalidParametersError: One is missing, repeated or out of bounds.
    """
    return parameters.read_each(((name, text) for name, text in pairs if name in known and text), known)


def conditions(values: Mapping[str, Value]) -> tuple[Condition, ...]:
    """Return the conditions that filters of `/offers` set."""
    return tuple(Condition(f, values[f.parameter.name]) for f in _FILTERS if f.parameter.name in values)
