"""The SQL of the catalogue, built from fixed parts; every value that a caller gave is a bound parameter.

Lists walk one of the partial indexes of `processed_data` (`active_status = 0 AND is_complete`) in its own direction,
so a page costs the same wherever it lies:

* `processed_data_listed_idx (id)` for `newest`;
* `processed_data_price_idx`, `_year_idx`, `_km_age_idx (value, id)` for an order by value;
* `processed_data_mark_model_price_idx (lower(mark), lower(model), price, id)` for a mark and a model.

Those indexes keep missing values at the end of ascending order, thus at the start of descending. To show them last in
both, a list is two stretches, offers with the value and offers without, and a page may span both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from gateway.core.query import Condition, Match, OfferQuery, Position, Sort

_LINK: Final = "CASE WHEN p.url LIKE 'http://%' OR p.url LIKE 'https://%' THEN p.url END"
LIST_FIELDS: Final[dict[str, str]] = {
    "platform": "p.platform",
    "inner_id": "p.inner_id",
    "mark": "p.mark",
    "model": "p.model",
    "title": "p.title",
    "complectation": "p.complectation",
    "year": "p.year",
    "first_registration": "p.first_registration",
    "price": "trim_scale(p.price)",
    "currency": "p.currency",
    "km_age": "p.km_age",
    "color": "p.color",
    "engine_type": "p.engine_type",
    "transmission_type": "p.transmission_type",
    "body_type": "p.body_type",
    "drive_type": "p.drive_type",
    "displacement_l": "trim_scale(p.displacement_l)",
    "power_hp": "trim_scale(p.power_hp)",
    "power_kw": "trim_scale(p.power_kw)",
    "province": "p.province",
    "city": "p.city",
    "seller_type": "p.seller_type",
    "is_dealer": "p.is_dealer",
    "url": _LINK,
    "images": "p.images",
    "offer_created": "p.offer_created",
    "updated_at": "p.updated_at",
}
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


_COMPARED: Final[dict[Match, str]] = {
    Match.SAME: "{column} = {value}",
    Match.SAME_LETTERS: "lower({column}) = lower({value})",
    Match.AT_LEAST: "{column} >= {value}",
    Match.AT_MOST: "{column} <= {value}",
}
LISTED: Final = "p.active_status = 0 AND p.is_complete"

FIND: Final = f"""
    SELECT p.platform, row_to_json(item)::text AS body
    FROM processed_data AS p CROSS JOIN LATERAL (SELECT {selected(DETAIL_FIELDS)}) AS item
    WHERE p.inner_id = $1 AND p.platform = $2
"""  # noqa: S608 - made of the constants above
"""One offer by its key, by the unique index (platform, inner_id)."""

FIND_ANYWHERE: Final = f"""
    WITH RECURSIVE platforms AS (
        (SELECT platform FROM processed_data ORDER BY platform LIMIT 1)
        UNION ALL
        SELECT (SELECT q.platform FROM processed_data AS q WHERE q.platform > platforms.platform
                ORDER BY q.platform LIMIT 1)
        FROM platforms WHERE platforms.platform IS NOT NULL
    )
    SELECT p.platform, row_to_json(item)::text AS body
    FROM platforms
    JOIN processed_data AS p ON p.platform = platforms.platform AND p.inner_id = $1
    CROSS JOIN LATERAL (SELECT {selected(DETAIL_FIELDS)}) AS item
    ORDER BY p.platform
"""  # noqa: S608 - made of the constants above
"""One id on every platform: steps from platform to platform in the unique index, then looks the id up in each."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One walk along one index: rows of `body` (JSON text), `key` (the sort field's value) and `id`, in order.

    The statement's last parameter, after `values`, is the greatest number of rows.
    """

    sql: str
    values: tuple[object, ...]


def stretches(query: OfferQuery, after: Position | None) -> Sequence[Stretch]:
    """Return the walks that together are the list from `after` on, in their order."""
    field = query.sort.field
    if field is None:
        return [_stretch(query, None, after)]
    if any(condition.filter.field == field for condition in query.conditions):
        return [_stretch(query, None, after)]  # a missing value meets no condition
    without_value = _stretch(query, f"p.{field} IS NULL", None if after is None or after.key is not None else after)
    if after is not None and after.key is None:
        return [without_value]
    return [_stretch(query, f"p.{field} IS NOT NULL", after), without_value]


def _stretch(query: OfferQuery, presence: str | None, after: Position | None) -> Stretch:
    values: list[object] = []

    def bound(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    where = [LISTED, *(_condition(condition, bound(condition.value)) for condition in query.conditions)]
    if presence is not None:
        where.append(presence)
    if after is not None:
        where.append(_beyond(query.sort, after, bound))
    order = _order(query.sort)
    sql = f"""
        SELECT row_to_json(item)::text AS body, p.{query.sort.field or "id"} AS key, p.id
        FROM (
            SELECT p.* FROM processed_data AS p WHERE {" AND ".join(where)} ORDER BY {order} LIMIT ${len(values) + 1}
        ) AS p CROSS JOIN LATERAL (SELECT {selected(LIST_FIELDS)}) AS item
        ORDER BY {order}
    """  # noqa: S608 - names come from FILTERS and Sort, values are bound
    return Stretch(sql, tuple(values))


def _condition(condition: Condition, placeholder: str) -> str:
    return _COMPARED[condition.filter.match].format(column=f"p.{condition.filter.field}", value=placeholder)


def _beyond(sort: Sort, after: Position, bound: Callable[[object], str]) -> str:
    sign = "<" if sort.descending else ">"
    if after.key is None or sort.field is None:
        return f"p.id {sign} {bound(after.id)}"
    key: object = Decimal(after.key) if sort.field == "price" else int(after.key)
    return f"(p.{sort.field}, p.id) {sign} ({bound(key)}, {bound(after.id)})"


def _order(sort: Sort) -> str:
    direction = "DESC" if sort.descending else "ASC"
    return ", ".join(f"p.{name} {direction}" for name in (sort.field, "id") if name is not None)
