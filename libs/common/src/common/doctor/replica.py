"""The replica that the gateway reads: that it answers and follows our database."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from common.db.replication import STATE
from common.db.session import AWAY, connect
from common.doctor.report import Line, error, ok, said, warning
from common.settings import DatabaseSettings

_REBUILD = "make it anew from the database: docs/operations.md, A replica for reads"


async def look(primary: DatabaseSettings, replica: DatabaseSettings) -> Line:
    """Say how the replica is; without it the gateway reads the database, so its absence is no error."""
    where = f"{replica.host}:{replica.port}"
    try:
        ours, theirs = await _state(primary), await _state(replica)
    except (*AWAY, asyncpg.PostgresError) as fault:
        return warning("replica", f"{where}: {said(fault)}", "does it run? The gateway reads the database meanwhile")
    if not theirs["in_recovery"]:
        return error("replica", f"{where} was promoted, or never followed anybody", _REBUILD)
    if (ours["system"], ours["timeline"]) != (theirs["system"], theirs["timeline"]):
        return error("replica", f"{where} follows another database, or an older life of ours", _REBUILD)
    return ok("replica", f"{where} has replayed all but {max(0, ours['position'] - theirs['position'])} bytes")


async def _state(settings: DatabaseSettings) -> Mapping[str, Any]:
    connection = await connect(settings, application="doctor")
    try:
        row = await connection.fetchrow(STATE)
        assert row is not None  # noqa: S101 - it asks of no table
        return dict(row)
    finally:
        await connection.close(timeout=settings.connect_timeout_s)
