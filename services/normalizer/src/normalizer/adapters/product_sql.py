"""SQL of the shop tables. `$1` is the platform; rows come as one JSON array whose keys are the columns.

One statement serves all products of a batch. Rows that are already what they should be are not written.
"""

from typing import Final

from normalizer.core.products.record import CHILDREN, ID_OF, LINKS, Category, Mark, Product, Row

LOCK_SHOP: Final = "SELECT pg_advisory_xact_lock(731114430, hashtext($1))"
"""Held to the end of the transaction: batches of one shop follow one another, for they share its categories."""

_OWNER: Final = ("platform", "product_id")
_LISTS: Final = {
    **{field: (table, key, f"own.{key}") for field, (table, key) in LINKS.items()},
    **{table: (table, ID_OF[kind], "to_jsonb(own)") for table, kind in CHILDREN.items()},
}


def _list(field: str, table: str, key: str, what: str) -> str:
    return f"""'{field}', (
    SELECT coalesce(jsonb_agg({what} ORDER BY own.{key} COLLATE "C"), '[]') FROM {table} AS own
    WHERE own.platform = product.platform AND own.product_id = product.product_id
)"""  # noqa: S608 - built from the constants above


PRODUCTS: Final = f"""
SELECT product_id, to_jsonb(product) || jsonb_build_object({", ".join(_list(f, *of) for f, of in _LISTS.items())})
FROM products AS product WHERE platform = $1 AND product_id = ANY($2::text[])
"""  # noqa: S608 - as above
"""Whole products; lists in the order of ids by code point. Primary keys."""

SHARED: Final = """
SELECT 'categories', category_id, to_jsonb(own) FROM categories AS own WHERE platform = $1
UNION ALL SELECT 'marks', mark_id, to_jsonb(own) FROM marks AS own WHERE platform = $1
"""
"""All categories and marks of a shop. Primary keys."""

REMOVE_PRODUCTS: Final = "DELETE FROM products WHERE platform = $1 AND product_id = ANY($2::text[])"
"""Delete products; what belongs to them goes along. Primary key, and those of the children."""

REMOVE_UNUSED: Final = {
    field: f"""
DELETE FROM {field} AS own WHERE platform = $1 AND {key} = ANY($2::text[]) AND NOT EXISTS (
    SELECT FROM {table} AS link WHERE link.platform = own.platform AND link.{key} = own.{key}
)
"""  # noqa: S608 - as above
    for field, (table, key) in LINKS.items()
}
"""Delete categories, or marks, that no product has. Primary keys; product_categories_category_id_idx, …"""


def _upsert(table: str, key: tuple[str, ...], columns: tuple[str, ...], *, also: str = "") -> str:
    names = ", ".join((*key, *columns))
    update = "NOTHING"
    if columns:
        old = ", ".join(f"old.{name}" for name in columns)
        new = ", ".join(f"EXCLUDED.{name}" for name in columns)
        changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns)
        update = f"UPDATE SET {changes}{also}" + ("" if also else f" WHERE ({old}) IS DISTINCT FROM ({new})")
    return f"""
INSERT INTO {table} AS old ({names})
SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, $1) ORDER BY {", ".join(key)}
ON CONFLICT ({", ".join(key)}) DO {update}
"""  # noqa: S608 - as above


def _replace(table: str, own: str, columns: tuple[str, ...]) -> tuple[str, str]:
    # NOT IN hashes what came. NOT EXISTS would be a join, and the planner, who takes the array for a few rows, may
    # read all of it for each row that is stored: 12,000 pictures of one product took a minute.
    key = (*_OWNER, own)
    delete = f"""
DELETE FROM {table} WHERE platform = $1 AND product_id = ANY($2::text[]) AND (product_id, {own}) NOT IN (
    SELECT fresh.product_id, fresh.{own} FROM jsonb_populate_recordset(NULL::{table}, $3) AS fresh
)
"""  # noqa: S608 - as above
    return delete, _upsert(table, key, columns)


def _columns(kind: type[Row], *without: str) -> tuple[str, ...]:
    return tuple(name for name in kind.__struct_fields__ if name not in without)


PRODUCT_COLUMNS: Final = _columns(Product, *LINKS, *CHILDREN)
WRITE_PRODUCTS: Final = _upsert("products", _OWNER, PRODUCT_COLUMNS, also=", changed_at = now()")
"""Insert or replace rows of `products`. Primary key."""

WRITE_SHARED: Final = {
    table: _upsert(table, ("platform", ID_OF[kind]), (*_columns(kind, ID_OF[kind]), "is_listed", "seq"))
    for table, kind in (("categories", Category), ("marks", Mark))
}
"""Insert or replace categories, or marks. Primary keys."""

REPLACE_LINKS: Final = {field: _replace(table, key, ()) for field, (table, key) in LINKS.items()}
"""Field of a product → delete links that it has no more, insert those that it has. Primary keys."""

REPLACE_CHILDREN: Final = {
    table: _replace(table, ID_OF[kind], _columns(kind, ID_OF[kind])) for table, kind in CHILDREN.items()
}
"""Table → delete rows that the products have no more, insert or update those that they have. Primary keys."""
