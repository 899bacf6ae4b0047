"""The SQL of the catalogue, built from fixed parts; every value that a caller gave is a bound parameter.

Lists walk one of the partial indexes of `processed_data` (`active_status = 0 AND is_complete`) in its own direction,
so a page costs the same wherever it lies:

* `processed_data_listed_idx (id)` for `newest`;
* `processed_data_price_idx`, `_year_idx`, `_km_age_idx (value, id)` for an order by value;
* `processed_data_mark_model_price_idx (lower(mark), lower(model), price, id)` for a mark and a model.

Two GIN indexes find what is rare: `processed_data_tags_idx` serves the filters by equal value in any combination,
`processed_data_words_idx` serves `q`. Which way is short depends on the values, so a statement with such a filter, or
with ranges only, is planned for its values each time (`Statement.planned`); the others keep their plan.

Those indexes keep missing values at the end of ascending order, thus at the start of descending. To show them last in
both, a list is two stretches, offers with the value and offers without, and a page may span both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from gateway.adapters.offer_filters import depends_on_values, values_of, where
from gateway.core.facets import FACETS
from gateway.core.query import FIELDS, FILTERS, Condition, OfferQuery, Position, Sort

_LINK: Final = "CASE WHEN p.url LIKE 'http://%' OR p.url LIKE 'https://%' THEN p.url END"
_EXPRESSIONS: Final[dict[str, str]] = {
    **{name: f"trim_scale(p.{name})" for name in ("price", "displacement_l", "power_hp", "power_kw")},
    "url": _LINK,
}
LIST_FIELDS: Final[dict[str, str]] = {name: _EXPRESSIONS.get(name, f"p.{name}") for name in FIELDS}
DETAIL_FIELDS: Final[dict[str, str]] = LIST_FIELDS | {
    "active": "p.active_status = 0",
    "complete": "p.is_complete",
    "address": "p.address",
    "salon_id": "p.salon_id",
    "section": "p.section",
    "description": "p.description",
    "vin": "p.vin",
    "specid": "p.specid",
    "options": "p.options",
    "normalized_data": "p.normalized_data",
    "source_created_at": "p.source_created_at",
    "created_at": "p.created_at",
}
"""Names in the answer → expressions over a row `p` of `processed_data`."""


def selected(fields: dict[str, str]) -> str:
    """Return the list of a SELECT: each expression under its name."""
    return ", ".join(f"{expression} AS {name}" for name, expression in fields.items())


FIND: Final = f"""
    SELECT p.platform, row_to_json(item)::text AS body
    FROM processed_data AS p CROSS JOIN LATERAL (SELECT {selected(DETAIL_FIELDS)}) AS item
    WHERE p.inner_id = $1 AND p.platform = $2
"""  # noqa: S608 - made of the constants above
"""One offer by its key, by the unique index (platform, inner_id)."""

EACH_PLATFORM: Final = """
    WITH RECURSIVE platforms AS (
        (SELECT platform FROM processed_data ORDER BY platform LIMIT 1)
        UNION ALL
        SELECT (SELECT q.platform FROM processed_data AS q WHERE q.platform > platforms.platform
                ORDER BY q.platform LIMIT 1)
        FROM platforms WHERE platforms.platform IS NOT NULL
    )
"""
"""The beginning of a statement that goes through all platforms, by steps in the unique index, as `platforms`."""

FIND_ANYWHERE: Final = f"""{EACH_PLATFORM}
    SELECT p.platform, row_to_json(item)::text AS body
    FROM platforms
    JOIN processed_data AS p ON p.platform = platforms.platform AND p.inner_id = $1
    CROSS JOIN LATERAL (SELECT {selected(DETAIL_FIELDS)}) AS item
    ORDER BY p.platform
"""  # noqa: S608 - made of the constants above
"""One id on every platform: looked up in each by the unique index."""


FILTERS_OF_SOURCES: Final = """
    SELECT json_build_object('platform', platform, 'fetched_at', fetched_at, 'filters', data)::text AS body
    FROM filters_reference WHERE $1::text IS NULL OR platform = $1 ORDER BY platform
"""
"""The filters that the sources offer: a row for each platform."""

EXPLAIN: Final = "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) "
"""Runs a statement and returns its plan, with the rows that each node was expected to give and those that it gave."""

_ANY_VALUE: Final = {known.parameter.name: Condition(known, "") for known in FILTERS}
"""A condition of each filter, to write its text from."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its values; `planned`: which plan is short depends on them, so it is made for them."""

    sql: str
    values: tuple[object, ...]
    planned: bool


class _Values:
    """Collects the values of a statement, and numbers them."""

    def __init__(self) -> None:
        self.taken: list[object] = []

    def bound(self, value: object) -> str:
        """Take a value and return its placeholder."""
        self.taken.append(value)
        return f"${len(self.taken)}"


def stretches(query: OfferQuery, after: Position | None) -> Sequence[Statement]:
    """Return the walks that together are the list from `after` on, in their order.

    Their rows are `body` (JSON text), `key` (the sort field's value) and `id`; the last parameter, after `values`, is
    the greatest number of rows.
    """
    return [_stretch(query, presence, start) for presence, start in _parts(query, after)]


def skips(query: OfferQuery) -> Sequence[Statement]:
    """Return the same walks from the start without bodies: at most one row each, the last of at most that many.

    A row is `key`, `id` and its `number` in the walk, from 1; the last parameter is how many rows to walk.
    """
    return [_skip(query, presence) for presence, _ in _parts(query, None)]


def counted(conditions: Sequence[Condition]) -> Statement:
    """Return the count of what meets the conditions, by one process: to start others costs more than they save."""
    values = _Values()
    where_ = " AND ".join(where(conditions, values.bound))
    sql = f"SELECT count(*) AS total FROM (SELECT FROM processed_data AS p WHERE {where_} OFFSET 0) AS p"  # noqa: S608 - as below
    return Statement(sql, tuple(values.taken), planned=True)


def capped(conditions: Sequence[Condition], *, most: int) -> Statement:
    """Return the count that stops at `most`, as a plan in JSON: a limit, and below it what the planner expects in all.

    Both in one statement, because planning for these values costs more than a short count. It is planned for them each
    time, as every EXPLAIN is; so the statement itself may be kept, which spares a round trip.
    """
    values = _Values()
    where_ = " AND ".join(where(conditions, values.bound))
    sql = f"{EXPLAIN}SELECT FROM processed_data AS p WHERE {where_} LIMIT {values.bound(most)}"
    return Statement(sql, tuple(values.taken), planned=False)


def grouped(conditions: Sequence[Condition]) -> Statement:
    """Return the counts by each of `FACETS` alone and of all: rows of values, `place` (-1: of all) and `number`."""
    values = _Values()
    columns = ", ".join(f"p.{name}" for name in FACETS)
    place = " ".join(f"WHEN GROUPING(p.{name}) = 0 THEN {number}" for number, name in enumerate(FACETS))
    sql = f"""
        SELECT {columns}, CASE {place} ELSE -1 END AS place, count(*) AS number
        FROM processed_data AS p WHERE {" AND ".join(where(conditions, values.bound))}
        GROUP BY GROUPING SETS ({", ".join(f"(p.{name})" for name in FACETS)}, ())
    """  # noqa: S608 - as above
    return Statement(sql, tuple(values.taken), planned=True)


def _parts(query: OfferQuery, after: Position | None) -> Sequence[tuple[str | None, Position | None]]:
    field = query.sort.field
    if field is None or any(condition.filter.field == field for condition in query.conditions):
        return [(None, after)]  # a missing value meets no condition
    without_value = (f"p.{field} IS NULL", None if after is None or after.key is not None else after)
    if after is not None and after.key is None:
        return [without_value]
    return [(f"p.{field} IS NOT NULL", after), without_value]


def _stretch(query: OfferQuery, presence: str | None, after: Position | None) -> Statement:
    start = () if after is None else _start(query.sort, after)
    filters = tuple(condition.filter.parameter.name for condition in query.conditions)
    sql = _walk(filters, presence, query.sort, len(start), query.fields)
    return Statement(sql, (*values_of(query.conditions), *start), depends_on_values(query.conditions))


@lru_cache(maxsize=256)
def _walk(filters: tuple[str, ...], presence: str | None, sort: Sort, start: int, fields: tuple[str, ...]) -> str:
    """Return the text of a walk, which is the same for all values; `start`: how many values say where it begins."""
    values = _Values()
    conditions = where([_ANY_VALUE[name] for name in filters], values.bound)
    if presence is not None:
        conditions.append(presence)
    if start:
        conditions.append(_beyond(sort, [values.bound(None) for _ in range(start)]))
    order = _order(sort)
    chosen = selected({name: LIST_FIELDS[name] for name in fields})
    return f"""
        SELECT row_to_json(item)::text AS body, p.{sort.field or "id"} AS key, p.id
        FROM (
            SELECT p.* FROM processed_data AS p WHERE {" AND ".join(conditions)} ORDER BY {order}
            LIMIT ${len(values.taken) + 1}
        ) AS p CROSS JOIN LATERAL (SELECT {chosen}) AS item
        ORDER BY {order}
    """  # noqa: S608 - names come from FILTERS, FIELDS and Sort, values are bound


def _skip(query: OfferQuery, presence: str | None) -> Statement:
    values = _Values()
    order = _order(query.sort)
    sql = f"""
        SELECT key, id, number FROM (
            SELECT p.{query.sort.field or "id"} AS key, p.id, row_number() OVER (ORDER BY {order}) AS number
            FROM processed_data AS p WHERE {" AND ".join(_conditions(query, presence, values))} ORDER BY {order}
            LIMIT ${len(values.taken) + 1}
        ) AS walked ORDER BY number DESC LIMIT 1
    """  # noqa: S608 - as above
    return Statement(sql, tuple(values.taken), depends_on_values(query.conditions))


def _conditions(query: OfferQuery, presence: str | None, values: _Values) -> list[str]:
    conditions = where(query.conditions, values.bound)
    return conditions if presence is None else [*conditions, presence]


def _start(sort: Sort, after: Position) -> tuple[object, ...]:
    if after.key is None or sort.field is None:
        return (after.id,)
    return (Decimal(after.key) if sort.field == "price" else int(after.key), after.id)


def _beyond(sort: Sort, start: Sequence[str]) -> str:
    """Return what holds behind a start: the id, or the sort field's value and the id, as placeholders."""
    sign = "<" if sort.descending else ">"
    return f"p.id {sign} {start[0]}" if len(start) == 1 else f"(p.{sort.field}, p.id) {sign} ({', '.join(start)})"


def _order(sort: Sort) -> str:
    direction = "DESC" if sort.descending else "ASC"
    return ", ".join(f"p.{name} {direction}" for name in (sort.field, "id") if name is not None)
