"""Putting the schema aside while another one is restored, and back where that does not end well.

Whoever finds `BESIDE` knows that a restore has not ended: what is in `public` is not whole, what is in `BESIDE` is.
Callers hold the migration lock.
"""

from typing import Any, Final

import asyncpg

BESIDE: Final = "feedmill_before"
"""The schema that holds what was in `public`, until the restore has been found right."""


async def is_aside(connection: "asyncpg.Connection[Any]") -> bool:
    """Return whether a restore has begun and not ended."""
    return bool(await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", BESIDE))


async def set_aside(connection: "asyncpg.Connection[Any]") -> None:
    """Make room: an empty `public`."""
    async with connection.transaction():
        await connection.execute(f"ALTER SCHEMA public RENAME TO {BESIDE}")
        await connection.execute("CREATE SCHEMA public")


async def put_back(connection: "asyncpg.Connection[Any]") -> bool:
    """Undo what has not ended: everything is as before `set_aside`. Return whether there was anything to undo."""
    if not await is_aside(connection):
        return False
    async with connection.transaction():
        await connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        await connection.execute(f"ALTER SCHEMA {BESIDE} RENAME TO public")
    return True


async def forget(connection: "asyncpg.Connection[Any]") -> None:
    """Remove what was put aside."""
    await connection.execute(f"DROP SCHEMA {BESIDE} CASCADE")
