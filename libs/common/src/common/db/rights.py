"""Who may do what in the database: the owner migrates, and each service has a role with what it needs and no more.

`feedmill migrate` grants this to whichever of the roles exist; without any, every service works as the owner.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

import asyncpg

from common.errors import ConfigurationError
from common.settings import SERVICE_PASSWORDS, role_of

Verbs = tuple[str, ...]

SERVICES: Final = tuple(SERVICE_PASSWORDS)

NO: Final[Verbs] = ()
READ: Final[Verbs] = ("SELECT",)
ADD: Final[Verbs] = ("SELECT", "INSERT")
WRITE: Final[Verbs] = ("SELECT", "INSERT", "UPDATE")
ALL: Final[Verbs] = ("SELECT", "INSERT", "UPDATE", "DELETE")
ADD_AND_REMOVE: Final[Verbs] = ("SELECT", "INSERT", "DELETE")

_OF_SHOPS: Final = (
    *("products", "categories", "marks", "product_categories", "product_marks", "colors", "parameters", "images"),
    *("extras", "reviews", "review_videos", "exclusions", "importance"),
)
_SOURCES: Final = ("source_1", "source_2", "source_3")

RIGHTS: Final[Mapping[str, tuple[Verbs, Verbs, Verbs]]] = {
    "raw_data": (READ, WRITE, READ),
    "processed_data": (NO, WRITE, READ),
    "catalog_changes": (("SELECT", "DELETE"), ADD, READ),
    "feed_pages": (ALL, WRITE, READ),
    "fetch_runs": (WRITE, READ, READ),
    "sync_state": (WRITE, NO, READ),
    "feed_days": (WRITE, NO, READ),
    "filters_reference": (WRITE, NO, READ),
    "lookups": (ALL, NO, NO),
    "sweep_sights": (ADD_AND_REMOVE, NO, NO),
    "retention": (WRITE, NO, READ),
    "operations_log": (ADD_AND_REMOVE, ADD, READ),
    "quarantine": (("SELECT (id, created_at)", "DELETE"), ADD, ("SELECT (id, platform, reason, created_at)",)),
    "drift": (NO, WRITE, READ),
    "replays": (NO, ALL, NO),
    "api_tokens": (NO, NO, ("SELECT", "UPDATE (last_used_at)")),
    "rate_limits": (NO, NO, WRITE),
    "alembic_version": (NO, NO, READ),
    **dict.fromkeys(_OF_SHOPS, (NO, ALL, READ)),
    **dict.fromkeys(_SOURCES, (NO, NO, READ)),
}
"""Every table, with the verbs of fetcher, normalizer and gateway.

Sequences need no line: ids are identity columns, which ask for no right of their own.
"""

_MAKES_TYPES: Final = "normalizer"
"""Whose sessions make types of their own in `pg_temp`, which is the database's right TEMPORARY."""

_ROLES: Final = "SELECT rolname FROM pg_roles WHERE rolname = ANY ($1::text[])"
_MAKES_ROLES: Final = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
_OWNS_DATABASE: Final = """
SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database WHERE datname = current_database()
"""
_ITERATIONS: Final = 4096
_log = logging.getLogger(__name__)


async def apply(connection: "asyncpg.Connection[Any]", passwords: Mapping[str, str]) -> list[str]:
    """Make roles where that is asked for, grant every role that exists what it needs, and return the roles.

    Args:
        connection: Of the owner of the tables.
        passwords: Service → password that its role is to have.

    Raises:
        ConfigurationError: A role with a password is missing, and this user may not make it.
    """
    async with connection.transaction():
        await _make_roles(connection, passwords)
        names = [role_of(service) for service in SERVICES]
        existing = {row["rolname"] for row in await connection.fetch(_ROLES, names)}
        services = [service for service in SERVICES if role_of(service) in existing]
        if services:
            database = await connection.fetchval("SELECT quote_ident(current_database())")
            if not await connection.fetchval(_OWNS_DATABASE):
                _log.warning("this user does not own the database, so what PUBLIC may do in it stays as it is")
                database = None
            await connection.execute("; ".join(statements(services, database)))
    return [role_of(service) for service in services]


def statements(services: list[str], database: str | None) -> Iterator[str]:
    """Give the statements that bring about `RIGHTS` for some services, whatever was granted before.

    Args:
        services: Whose roles exist.
        database: Its quoted name; None: leave the rights on the database alone.
    """
    roles = ", ".join(map(role_of, services))
    yield "REVOKE ALL ON SCHEMA public FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA public TO {roles}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {roles}"
    for table, cells in RIGHTS.items():
        for service, verbs in zip(SERVICES, cells, strict=True):
            if verbs and service in services:
                yield f"GRANT {', '.join(verbs)} ON public.{table} TO {role_of(service)}"
    if database is None:
        return
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {roles}"
    yield f"GRANT CONNECT ON DATABASE {database} TO {roles}"
    if _MAKES_TYPES in services:
        yield f"GRANT TEMPORARY ON DATABASE {database} TO {role_of(_MAKES_TYPES)}"


async def _make_roles(connection: "asyncpg.Connection[Any]", passwords: Mapping[str, str]) -> None:
    may_make = await connection.fetchval(_MAKES_ROLES)
    for service, password in passwords.items():
        role = role_of(service)
        exists = await connection.fetchval(_ROLES, [role])
        if may_make:
            verb = "ALTER" if exists else "CREATE"
            await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{verifier(password)}'")
        elif not exists:
            raise ConfigurationError(
                f"{SERVICE_PASSWORDS[service]} is set, but there is no role {role} and this user may not make it; "
                f"as an administrator: CREATE ROLE {role} LOGIN PASSWORD '...'"
            )


def verifier(password: str) -> str:
    """Return what PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 7677), so that no statement holds the password.

    Raises:
        ConfigurationError: It is not ASCII, and would have to be prepared as RFC 4013 says.
    """
    if not password.isascii():
        raise ConfigurationError("passwords of the database's roles: ASCII only")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
