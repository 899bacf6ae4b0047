"""The SQL of exports: PostgreSQL makes each line, and the gateway passes bytes on without looking into them.

They walk `processed_data_listed_idx (id)`, or sort what another index finds, in a portal of which a batch is fetched at
a time; memory holds one batch.
"""

from collections.abc import Sequence
from typing import Final

from gateway.adapters.offer_filters import where
from gateway.adapters.offer_sql import LIST_FIELDS, Statement, selected
from gateway.core.export import ExportFormat, ExportQuery

_BARE: Final = frozenset(
    {"year", "first_registration", "price", "km_age", "displacement_l", "power_hp", "power_kw", "offer_created"}
)
"""Numbers and dates, which CSV need not quote."""

_FORMULA: Final = r"'=', '+', '-', '@', E'\t', E'\r', E'\n', '＝', '＋', '－', '＠'"
"""What a text starts with, after blanks, that a spreadsheet might compute (OWASP, CSV injection)."""


def exported(query: ExportQuery) -> Statement:
    """Return the statement: one column of bytes, a line each; for Parquet a column for each field."""
    values: list[object] = []

    def bound(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = " AND ".join(where(query.conditions, bound))
    sql = f"SELECT {_shown(query)} FROM processed_data AS p {_item(query)} WHERE {conditions} ORDER BY p.id"  # noqa: S608 - names come from FILTERS and FIELDS, values are bound
    return Statement(sql, tuple(values), planned=True)


def csv_header(fields: Sequence[str]) -> bytes:
    """Return the first line."""
    return f"{','.join(fields)}\r\n".encode()


def _item(query: ExportQuery) -> str:
    if query.format is not ExportFormat.NDJSON:
        return ""
    return f"CROSS JOIN LATERAL (SELECT {selected({name: LIST_FIELDS[name] for name in query.fields})}) AS item"


def _shown(query: ExportQuery) -> str:
    match query.format:
        case ExportFormat.NDJSON:
            return "convert_to(row_to_json(item)::text || E'\\n', 'UTF8')"
        case ExportFormat.CSV:
            cells = " || ',' || ".join(map(_cell, query.fields))
            return f"convert_to({cells} || E'\\r\\n', 'UTF8')"
        case ExportFormat.PARQUET:
            return selected({name: LIST_FIELDS[name] for name in query.fields})


def _cell(name: str) -> str:
    """Return the text of a cell (RFC 4180): nothing where the value is missing, otherwise quoted unless it is bare."""
    value = LIST_FIELDS[name]
    if name in _BARE:
        return f"coalesce(({value})::text, '')"
    if name == "is_dealer":
        return f"CASE WHEN {value} THEN 'true' WHEN NOT {value} THEN 'false' ELSE '' END"
    if name == "updated_at":
        return f"""to_char({value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    text = f"({value})::text"
    guarded = f"CASE WHEN left(ltrim({text}), 1) IN ({_FORMULA}) THEN '''' ELSE '' END || {text}"
    return f"""CASE WHEN {text} IS NULL THEN '' ELSE '"' || replace({guarded}, '"', '""') || '"' END"""
