"""PostgreSQL: that it answers, its version, schema, rights and clock, and what the feeds have left behind."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

import asyncpg

from common.clock import Clock
from common.db import migrate
from common.db.revision import HEAD
from common.db.session import AWAY, server_settings
from common.db.tables import metadata
from common.doctor.report import Line, error, ok, said, warning
from common.settings import DatabaseSettings

OLDEST: Final = 150000
"""The least `server_version_num`: Debian 12's."""
SKEW_S: Final = 5.0
WRONG_CLOCK_S: Final = 60.0

REVISION: Final = "SELECT version_num FROM alembic_version"
MISSING_RIGHTS: Final = """
    SELECT t.name FROM unnest($1::text[]) AS t(name)
    WHERE to_regclass(t.name) IS NULL OR NOT has_table_privilege(t.name, 'SELECT')
    ORDER BY t.name
"""
OWNED: Final = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('raw_data')"
FINDINGS: Final = "SELECT platform, finding, detail FROM feed_findings(now()) ORDER BY platform, finding"
OPEN: Final = """
    SELECT (SELECT count(*) FROM feed_pages WHERE status = 'gap') AS gaps,
           (SELECT count(*) FROM raw_data WHERE NOT is_processed) AS unprocessed
"""


async def lines(settings: DatabaseSettings, clock: Clock) -> AsyncIterator[Line]:
    """Look at the database; where it cannot be asked, that is the only line."""
    where = f"{settings.host}:{settings.port}/{settings.name}"
    try:
        connection = await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value() or None,
            database=settings.name,
            timeout=settings.connect_timeout_s,
            server_settings=server_settings(settings, application="doctor"),
        )
    except (*AWAY, asyncpg.PostgresError) as fault:
        advice = "does it run, and are DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME right?"
        yield error("database", f"{where} as {settings.user}: {said(fault)}", advice)
        return
    try:
        yield await _version(connection, f"{where} as {settings.user}")
        yield _clock(await connection.fetchval("SELECT clock_timestamp()"), clock.now())
        schema = await _schema(connection)
        yield schema
        if schema.level.value == "ok":
            async for line in _contents(connection):
                yield line
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
        return ok("schema", f"at {revision}")
    if revision is None or revision in await asyncio.to_thread(migrate.known):
        return error("schema", f"at {revision or 'nothing'}, {HEAD} is needed", "feedmill migrate, as the owner")
    return error("schema", f"at {revision}, which is newer than this version", "install the newer feedmill, or restore")


async def _contents(connection: "asyncpg.Connection[Any]") -> AsyncIterator[Line]:
    closed = [row["name"] for row in await connection.fetch(MISSING_RIGHTS, sorted(metadata.tables))]
    if await connection.fetchval(OWNED):
        yield ok("rights", "this user owns the tables")
    elif closed:
        yield ok(
            "rights", f"narrow: {len(metadata.tables) - len(closed)} of {len(metadata.tables)} tables are readable"
        )
    try:
        for row in await connection.fetch(FINDINGS):
            advice = f"docs/deployment.md, runbook, {row['finding']}"
            yield warning(f"feed {row['platform']}", f"{row['finding']}: {row['detail']}", advice)
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
