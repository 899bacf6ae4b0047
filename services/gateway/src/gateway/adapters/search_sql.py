"""The SQL of the search: the newest rows that hold all words. `$1` is the limit, the words follow in small letters."""

from collections.abc import Sequence

from gateway.adapters.offer_filters import LISTED
from gateway.adapters.offer_sql import LIST_FIELDS, selected
from gateway.adapters.product_sql import COST, ITEM, PICTURE


def offers_with(words: Sequence[str]) -> str:
    """Return the search through offers.

    It walks `processed_data_listed_idx` from the newest on and stops when it has enough, so words that many offers
    hold are found at once; words that none holds cost a walk through all, within the bound of a read.
    """
    text = "lower(coalesce(p.mark, '') || ' ' || coalesce(p.model, '') || ' ' || coalesce(p.title, ''))"
    return f"""
        SELECT row_to_json(item)::text AS body
        FROM (
            SELECT p.* FROM processed_data AS p WHERE {LISTED} AND {_holds(text, words)} ORDER BY p.id DESC LIMIT $1
        ) AS p CROSS JOIN LATERAL (SELECT {selected(LIST_FIELDS)}) AS item
        ORDER BY p.id DESC
    """  # noqa: S608 - made of constants, words are bound


def products_with(words: Sequence[str]) -> str:
    """Return the search through products, which are few."""
    order = "p.source_created_at DESC NULLS LAST, p.platform, p.product_id"
    return f"""
        SELECT row_to_json(item)::text AS body
        FROM (
            SELECT p.* FROM products AS p WHERE {_holds("lower(coalesce(p.name, ''))", words)} ORDER BY {order} LIMIT $1
        ) AS p {COST} {PICTURE} CROSS JOIN LATERAL (SELECT {selected(ITEM)}) AS item
        ORDER BY {order}
    """  # noqa: S608 - as above


def _holds(text: str, words: Sequence[str]) -> str:
    return " AND ".join(f"strpos({text}, ${place}) > 0" for place, _ in enumerate(words, start=2))
