"""Writing a dump: the data, and what the database held at that very moment. Services may go on meanwhile."""

import asyncio
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import asyncpg

from common.db import manifest, pg_tools
from common.db.manifest import DATA, Manifest
from common.db.session import connect_patiently
from common.db.stock import take_stock
from common.errors import TransferError
from common.settings import DatabaseSettings

JOBS: Final = min(4, os.cpu_count() or 1)
"""Tables written or read at once."""

_OPTIONS: Final = (
    *("--format=directory", f"--jobs={JOBS}", "--compress=1", "--schema=public"),
    *("--no-owner", "--no-privileges", "--no-unlogged-table-data", "--lock-wait-timeout=60s"),
)


async def dump(settings: DatabaseSettings, folder: Path) -> Manifest:
    """Write the database to a new folder that only this user can read; what is there is whole.

    Rows, positions and data are of one snapshot.

    Raises:
        TransferError: The folder exists or cannot be written, pg_dump is missing or fails, or there is no schema.
        UnavailableError: The database is away.
    """
    half = await asyncio.to_thread(_new_folder_beside, folder)
    try:
        made = await _dump_into(half, settings)
        await asyncio.to_thread(manifest.write, half, made)
        half.rename(folder)
    except OSError as error:
        raise TransferError(f"{half}: {error.strerror}") from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return made


def _new_folder_beside(folder: Path) -> Path:
    """Make the folder that gets its final name when it is whole."""
    half = folder.with_name(f"{folder.name}.partial")
    try:
        if folder.exists():
            raise TransferError(f"{folder} exists already")
        folder.parent.mkdir(parents=True, exist_ok=True)
        half.mkdir(mode=0o700)
    except FileExistsError as error:
        raise TransferError(f"{half} exists: another dump is being made, or was cut off; remove it") from error
    except OSError as error:
        raise TransferError(f"{half}: {error.strerror}") from error
    return half


async def _dump_into(folder: Path, settings: DatabaseSettings) -> Manifest:
    async with connect_patiently(settings, application="dump") as connection:
        if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
            raise TransferError(f"database {settings.name}: there is no schema, and so nothing to dump")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            made = await _described(connection)
            options = (*_OPTIONS, f"--snapshot={snapshot}", f"--file={folder / DATA}")
            await pg_tools.run("pg_dump", *options, settings=settings)
    return made


async def _described(connection: "asyncpg.Connection[Any]") -> Manifest:
    return Manifest(
        feedmill=version("feedmill-common"),
        revision=await connection.fetchval("SELECT version_num FROM alembic_version"),
        server=await connection.fetchval("SHOW server_version"),
        made_at=await connection.fetchval("SELECT now()"),
        stock=await take_stock(connection),
    )
