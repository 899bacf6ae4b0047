"""PostgreSQL: that it answers, its version, schema, rights and clock, and what the feeds have left behind."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from common.clock import Clock
from common.db import migrate
from common.db.revision import HEAD
from common.db.rights import RIGHTS, SERVICES
from common.db.session import AWAY, connect
from common.doctor.report import Line, error, ok, said, warning
from common.settings import DatabaseSettings, role_of

OLDEST: Final = 150000
"""The least `server_version_num`: Debian 12's."""
SKEW_S: Final = 5.0
WRONG_CLOCK_S: Final = 60.0
_VERBS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_SHOWN: Final = 3

REVISION: Final = "SELECT version_num FROM alembic_version"
"""The revision of the schema."""
GONE: Final = "SELECT name FROM unnest($1::text[]) AS t (name) WHERE to_regclass(name) IS NULL ORDER BY name"
"""Those of the tables that are not there."""
GRANTED: Final = """
    SELECT r.name AS role, t.name AS "table", v.name AS verb,
           CASE WHEN v.name <> 'DELETE' THEN has_any_column_privilege(r.name, to_regclass(t.name), v.name) END
               AND has_schema_privilege(r.name, 'public', 'USAGE') AS "any",
           has_table_privilege(r.name, to_regclass(t.name), v.name)
               AND has_schema_privilege(r.name, 'public', 'USAGE') AS "all"
    FROM unnest($1::text[]) AS r(name), unnest($2::text[]) AS t(name), unnest($3::text[]) AS v(name)
    WHERE to_regclass(t.name) IS NOT NULL AND EXISTS (SELECT FROM pg_roles WHERE rolname = r.name)
"""
"""What the services' roles may do with each table, if they may use the schema; `any`: with some of its columns."""
OWNED: Final = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('raw_data')"
"""Whether this user owns the tables, or is of the role that does."""
FINDINGS: Final = """
    SELECT platform, finding, detail FROM feed_findings(now()) WHERE platform = ANY ($1::text[])
    ORDER BY platform, finding
"""
"""What the watchdog finds about feeds that are followed."""
FAILED: Final = """
    SELECT feed.platform, last.started_at, last.details
    FROM unnest($1::text[]) AS feed (platform)
    CROSS JOIN LATERAL (
        SELECT started_at, status, details FROM operations_log AS operation
        WHERE operation.platform = feed.platform AND operation_type = 'data_fetch' ORDER BY started_at DESC LIMIT 1
    ) AS last
    WHERE last.status = 'ERROR' ORDER BY feed.platform
"""
"""Feeds whose last run failed; operations_log_started_at_idx."""
PAUSED: Final = """
    SELECT platform, paused_at FROM sync_state WHERE paused_at IS NOT NULL AND platform = ANY ($1::text[])
    ORDER BY platform
"""
"""Feeds that somebody has paused; a table of one row for each."""
OPEN: Final = """
    SELECT (SELECT count(*) FROM feed_pages WHERE status = 'gap') AS gaps,
           (SELECT count(*) FROM raw_data WHERE NOT is_processed) AS unprocessed
"""
"""Pages that are missing and rows that are not normalised; feed_pages_open_idx, raw_data_unprocessed_idx."""


async def lines(settings: DatabaseSettings, clock: Clock, *, followed: Sequence[str]) -> AsyncIterator[Line]:
    """Look at the database; where it cannot be asked, that is the only line. Feeds not `followed` may be silent."""
    where = f"{settings.host}:{settings.port}/{settings.name}"
    try:
        connection = await connect(settings, application="doctor")
    except (*AWAY, asyncpg.PostgresError) as fault:
        advice = "does it run, and are DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME right?"
        yield error("database", f"{where} as {settings.user}: {said(fault)}", advice)
        return
    try:
        yield await _version(connection, f"{where} as {settings.user}")
        if await connection.fetchval("SHOW transaction_read_only") == "on":
            yield error("writes", "the database takes none", "is it a replica? Is default_transaction_read_only set?")
        yield _clock(await connection.fetchval("SELECT clock_timestamp()"), clock.now())
        schema = await _schema(connection)
        yield schema
        if schema.level.value == "ok":
            async for line in _contents(connection, followed):
                yield line
    except (*AWAY, asyncpg.PostgresError) as fault:
        advice = "look again: a migration or a restore may be under way; pg_stat_activity says who holds what"
        yield error("database", f"not looked at to the end: {said(fault)}", advice)
    finally:
        await connection.close(timeout=settings.connect_timeout_s)


async def _version(connection: "asyncpg.Connection[Any]", where: str) -> Line:
    number = int(await connection.fetchval("SHOW server_version_num"))
    shown = await connection.fetchval("SHOW server_version")
    if number < OLDEST:
        return error("database", f"{where}: PostgreSQL {shown}", f"PostgreSQL {OLDEST // 10000} or newer is needed")
    return ok("database", f"{where}: PostgreSQL {shown}")


def _clock(theirs: datetime, ours: datetime) -> Line:
    skew = abs((theirs - ours).total_seconds())
    seen = f"{skew:.1f} s apart from the database's"
    if skew <= SKEW_S:
        return ok("clock", seen)
    return (error if skew > WRONG_CLOCK_S else warning)("clock", seen, "timedatectl set-ntp true, on both machines")


async def _schema(connection: "asyncpg.Connection[Any]") -> Line:
    try:
        revision = await connection.fetchval(REVISION)
    except asyncpg.UndefinedTableError:
        revision = None
    except asyncpg.InsufficientPrivilegeError:
        return error("rights", "this user may not read alembic_version", "give it its rights: docs/deployment.md")
    if revision == HEAD:
        gone = [row["name"] for row in await connection.fetch(GONE, list(RIGHTS))]
        if gone:
            advice = "is a restore under way? If not, somebody has dropped them: feedmill restore, from a dump"
            return error("schema", f"at {revision}, without {_some(gone)}", advice)
        return ok("schema", f"at {revision}")
    if revision is None or revision in await asyncio.to_thread(migrate.known):
        return error("schema", f"at {revision or 'nothing'}, {HEAD} is needed", "feedmill migrate, as the owner")
    return error("schema", f"at {revision}, which is newer than this version", "install the newer feedmill, or restore")


async def _rights(connection: "asyncpg.Connection[Any]") -> AsyncIterator[Line]:
    names = [role_of(service) for service in SERVICES]
    rows = await connection.fetch(GRANTED, names, list(RIGHTS), list(_VERBS))
    if not await connection.fetchval(OWNED):
        yield warning("rights", "this user does not own the tables", "migrations need the owner: DB_USER, DB_PASSWORD")
    if not rows:
        yield ok("rights", "no roles of services: all work as one user")
    for place, service in enumerate(SERVICES):
        mine = [row for row in rows if row["role"] == role_of(service)]
        lacking = [f"{row['verb']} {row['table']}" for row in mine if _is_missing(row, RIGHTS[row["table"]][place])]
        needless = [f"{row['verb']} {row['table']}" for row in mine if _is_too_much(row, RIGHTS[row["table"]][place])]
        if lacking:
            yield error(f"rights of {service}", f"missing: {_some(lacking)}", "feedmill migrate grants them")
        elif needless:
            yield warning(f"rights of {service}", f"too many: {_some(needless)}", "feedmill migrate takes them away")
        elif mine:
            yield ok(f"rights of {service}", f"as {role_of(service)} needs them")


def _is_missing(row: Mapping[str, Any], verbs: Sequence[str]) -> bool:
    return any(not row["any" if "(" in verb else "all"] for verb in verbs if verb.split(" ")[0] == row["verb"])


def _is_too_much(row: Mapping[str, Any], verbs: Sequence[str]) -> bool:
    return bool(row["all"]) and row["verb"] not in verbs


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")


async def _feeds(connection: "asyncpg.Connection[Any]", followed: Sequence[str]) -> AsyncIterator[Line]:
    for row in await connection.fetch(FINDINGS, followed):
        advice = f"docs/deployment.md, runbook, {row['finding']}"
        yield warning(f"feed {row['platform']}", f"{row['finding']}: {row['detail']}", advice)
    for row in await connection.fetch(FAILED, followed):
        seen = f"the last one, {row['started_at']:%Y-%m-%d %H:%M} UTC, failed: {row['details']}"
        yield warning(f"run of {row['platform']}", seen, "mend what it says; then make daily or make shop-sync goes on")
    for row in await connection.fetch(PAUSED, followed):
        seen = f"since {row['paused_at']:%Y-%m-%d %H:%M} UTC"
        yield warning(f"pause of {row['platform']}", seen, "order resume; docs/operations.md, Pause the fetcher")


async def _contents(connection: "asyncpg.Connection[Any]", followed: Sequence[str]) -> AsyncIterator[Line]:
    async for line in _rights(connection):
        yield line
    try:
        async for line in _feeds(connection, followed):
            yield line
        left = await connection.fetchrow(OPEN)
    except asyncpg.InsufficientPrivilegeError as fault:
        yield warning("feeds", f"not looked at: {fault}", "run the doctor as the gateway or the owner")
        return
    assert left is not None  # noqa: S101 - an aggregate has its row
    if left["gaps"]:
        yield warning("gaps", f"{left['gaps']} pages are missing", "make retry-gaps")
    if left["unprocessed"]:
        yield warning(
            "records", f"{left['unprocessed']} are not normalised", "make normalize; what stays has last_error"
        )
