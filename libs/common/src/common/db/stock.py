"""What a database holds, as far as a dump and what was restored from it must agree: rows, positions, sequences."""

import json
from collections.abc import Mapping
from typing import Any, Final

import asyncpg
from pydantic import BaseModel, ConfigDict

TABLES: Final = """
SELECT relname FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relpersistence = 'p' ORDER BY relname
"""
"""Tables that outlast a crash; the others (rate_limits) are not worth a place in a dump."""

POSITIONS: Final = """
SELECT jsonb_build_object(
  'sync_state', (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.platform COLLATE "C") FROM sync_state AS s),
  'unfinished_runs',
    (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.run_id COLLATE "C") FROM fetch_runs AS r WHERE r.status <> 'done'),
  'open_pages', (SELECT count(*) FROM feed_pages WHERE status <> 'landed'),
  'newest_seq',
    (SELECT jsonb_object_agg(platform, seq) FROM
      (SELECT platform, max(max_seq) AS seq FROM raw_data GROUP BY platform) AS newest),
  'last_change_id', (SELECT max(change_id) FROM catalog_changes)
)::text
"""
"""Where the feeds stand: what the next daily update, an interrupted load and the readers of changes go on from."""

SEQUENCES: Final = """
SELECT seq.relname AS name, owner.relname AS of_table, attribute.attname AS of_column,
       coalesce(pg_sequence_last_value(seq.oid), 0) AS last_value
  FROM pg_class AS seq
  JOIN pg_depend AS owned ON owned.objid = seq.oid AND owned.deptype IN ('a', 'i')
   AND owned.classid = 'pg_class'::regclass AND owned.refclassid = 'pg_class'::regclass
  JOIN pg_class AS owner ON owner.oid = owned.refobjid
  JOIN pg_attribute AS attribute ON attribute.attrelid = owner.oid AND attribute.attnum = owned.refobjsubid
 WHERE seq.relkind = 'S' AND seq.relnamespace = 'public'::regnamespace ORDER BY seq.relname
"""
"""The sequence of each table's ids; 0: it has given none yet."""


class Stock(BaseModel):
    """What a database holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Mapping[str, int]
    """Table → number of rows."""
    positions: Mapping[str, Any]
    """Where the feeds stand, by name."""
    sequences: Mapping[str, int]
    """Sequence → the last number that it gave; 0: none."""


async def take_stock(connection: "asyncpg.Connection[Any]") -> Stock:
    """Return what the database holds now; of a snapshot, where the connection is in one (but for sequences)."""
    names = [row["relname"] for row in await connection.fetch(TABLES)]
    rows = {name: await connection.fetchval(f'SELECT count(*) FROM public."{name}"') for name in names}  # noqa: S608 - names of our tables
    positions = json.loads(await connection.fetchval(POSITIONS))
    sequences = {row["name"]: row["last_value"] for row in await connection.fetch(SEQUENCES)}
    return Stock(rows=rows, positions=positions, sequences=sequences)


async def advance_sequences(connection: "asyncpg.Connection[Any]", known: Mapping[str, int]) -> None:
    """Let no sequence give a number again that it has given: neither one of a row nor one that `known` says."""
    for row in await connection.fetch(SEQUENCES):
        table, column = row["of_table"], row["of_column"]
        newest = await connection.fetchval(f'SELECT max("{column}") FROM public."{table}"')  # noqa: S608 - as above
        last = max(newest or 0, row["last_value"], known.get(row["name"], 0))
        if last:
            await connection.execute("SELECT setval(format('public.%I', $1::text)::regclass, $2)", row["name"], last)


def differences(expected: Stock, found: Stock) -> list[str]:
    """Name what is not in `found` as `expected` says; a sequence may be further."""
    wrong = [
        f"{name} has {found.rows.get(name, 'no table')} rows instead of {rows}"
        for name, rows in expected.rows.items()
        if found.rows.get(name) != rows
    ]
    wrong += [f"{name} differs" for name, at in expected.positions.items() if found.positions.get(name) != at]
    return wrong + [
        f"{name} is at {found.sequences.get(name)} instead of {last}"
        for name, last in expected.sequences.items()
        if found.sequences.get(name, -1) < last
    ]
