"""The SQL of the search through products. `$1` is the limit, the words follow in small letters."""

from collections.abc import Sequence

from gateway.adapters.offer_sql import selected
from gateway.adapters.product_sql import COST, ITEM, PICTURE


def products_with(words: Sequence[str]) -> str:
    """Return the search through products, which are few."""
    order = "p.source_created_at DESC NULLS LAST, p.platform, p.product_id"
    return f"""
        SELECT row_to_json(item)::text AS body
        FROM (
            SELECT p.* FROM products AS p WHERE {_holds("lower(coalesce(p.name, ''))", words)} ORDER BY {order} LIMIT $1
        ) AS p {COST} {PICTURE} CROSS JOIN LATERAL (SELECT {selected(ITEM)}) AS item
        ORDER BY {order}
    """  # noqa: S608 - made of constants, words are bound


def _holds(text: str, words: Sequence[str]) -> str:
    return " AND ".join(f"strpos({text}, ${place}) > 0" for place, _ in enumerate(words, start=2))
