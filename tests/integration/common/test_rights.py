"""Each service may do in the database what it needs and nothing else: every role, table and verb."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
import pytest
from tests.conftest import settings_of
from tests.lent import connected

from common.db import migrate, rights
from common.errors import ConfigurationError
from common.settings import DatabaseSettings, role_of
from sandbox.stack import Stack
from sandbox.stack.state import DATABASE_ADMINISTRATOR

SPECIFIED: Final = """
    table               fetcher  normalizer  gateway
    raw_data            r        raw         r
    processed_data      -        raw         r
    catalog_changes     rd       ra          r
    feed_pages          rawd     raw         r
    fetch_runs          raw      r           r
    sync_state          raw      -           r
    feed_days           raw      -           r
    filters_reference   raw      -           r
    lookups             rawd     -           -
    sweep_sights        rad      -           -
    operations_log      rad      ra          r
    quarantine          d*       ra          *
    retention           raw      -           r
    drift               -        raw         r
    replays             -        rawd        -
    api_tokens          -        -           r*
    rate_limits         -        -           raw
    alembic_version     -        -           r
    products            -        rawd        r
    categories          -        rawd        r
    marks               -        rawd        r
    product_categories  -        rawd        r
    product_marks       -        rawd        r
    colors              -        rawd        r
    parameters          -        rawd        r
    images              -        rawd        r
    extras              -        rawd        r
    reviews             -        rawd        r
    review_videos       -        rawd        r
    exclusions          -        rawd        r
    importance          -        rawd        r
    source_1            -        -           r
    source_2            -        -           r
    source_3            -        -           r
"""
"""As PostgreSQL writes it: r SELECT, a INSERT, w UPDATE, d DELETE; * some columns, below."""

COLUMNS: Final = {
    ("quarantine", "fetcher"): {(name, "SELECT") for name in ("id", "created_at")},
    ("quarantine", "gateway"): {(name, "SELECT") for name in ("id", "platform", "reason", "created_at")},
    ("api_tokens", "gateway"): {("last_used_at", "UPDATE")},
}
"""What is not the whole table's."""

VERBS: Final = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
ALL_VERBS: Final = (*VERBS.values(), "TRUNCATE", "REFERENCES", "TRIGGER")
ROWS: Final = [line.split() for line in SPECIFIED.strip().splitlines()]
CELLS: Final = {
    (table, service): {VERBS[letter] for letter in letters if letter in VERBS}
    for table, *cells in ROWS[1:]
    for service, letters in zip(ROWS[0][1:], cells, strict=True)
}


@pytest.fixture(scope="module")
async def migrated(stack: Stack) -> AsyncIterator[DatabaseSettings]:
    """A database of its own: what PUBLIC may do in a database is not copied from a template."""
    name = f"test_{secrets.token_hex(4)}"
    await asyncio.to_thread(stack.create_database, name)
    await migrate.upgrade(settings_of(stack, name))
    yield settings_of(stack, name)
    await asyncio.to_thread(stack.drop_database, name)


async def held(settings: DatabaseSettings, query: str, *values: object) -> list[Any]:
    """Return rows, asked for by the owner."""
    async with connected(settings) as connection:
        return [tuple(row) for row in await connection.fetch(query, *values)]


async def test_every_cell_is_as_specified_and_every_table_has_its_line(migrated: DatabaseSettings) -> None:
    query = """
        SELECT relname, service, array_remove(array_agg(
            CASE WHEN has_table_privilege('feedmill_' || service, pg_class.oid, verb) THEN verb END), NULL)
        FROM pg_class, unnest($1::text[]) AS service, unnest($2::text[]) AS verb
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY 1, 2
    """
    found = {
        (table, service): set(verbs)
        for table, service, verbs in await held(migrated, query, list(rights.SERVICES), list(ALL_VERBS))
    }
    assert found == CELLS
    assert len(found) == 102


async def test_columns_are_given_only_where_that_is_specified(migrated: DatabaseSettings) -> None:
    query = """
        SELECT relname, service, attname, verb
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0,
             unnest($1::text[]) AS service, unnest($2::text[]) AS verb
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND has_column_privilege('feedmill_' || service, attrelid, attnum, verb)
          AND NOT has_table_privilege('feedmill_' || service, attrelid, verb)
    """
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    verbs = ["SELECT", "INSERT", "UPDATE", "REFERENCES"]
    for table, service, column, verb in await held(migrated, query, list(rights.SERVICES), verbs):
        found.setdefault((table, service), set()).add((column, verb))
    assert found == COLUMNS


async def test_only_the_normalizer_makes_types_of_its_own_and_nobody_else_enters(migrated: DatabaseSettings) -> None:
    query = """
        SELECT who, has_database_privilege(who, current_database(), 'CONNECT'),
               has_database_privilege(who, current_database(), 'TEMPORARY'),
               has_schema_privilege(who, 'public', 'USAGE'), has_schema_privilege(who, 'public', 'CREATE')
        FROM unnest($1::text[]) AS who
    """
    found = await held(migrated, query, ["public", *map(role_of, rights.SERVICES)])
    assert found == [
        ("public", False, False, False, False),
        ("feedmill_fetcher", True, False, True, False),
        ("feedmill_normalizer", True, True, True, False),
        ("feedmill_gateway", True, False, True, False),
    ]


@pytest.mark.parametrize(
    ("service", "statement"),
    [
        ("fetcher", "INSERT INTO processed_data (platform) VALUES ('x')"),
        ("fetcher", "DELETE FROM processed_data"),
        ("fetcher", "UPDATE raw_data SET data = '{}'"),
        ("normalizer", "UPDATE sync_state SET last_change_id = 0"),
        ("normalizer", "SELECT FROM api_tokens"),
        ("gateway", "UPDATE processed_data SET price = 0"),
        ("gateway", "INSERT INTO api_tokens (token) VALUES ('x')"),
        ("gateway", "UPDATE api_tokens SET expires_at = NULL"),
        ("gateway", "SELECT body FROM quarantine"),
        ("gateway", "TRUNCATE rate_limits"),
        ("gateway", "CREATE TABLE mine (id int)"),
        ("gateway", "CREATE TYPE pg_temp.mine AS (id int)"),
    ],
)
async def test_what_is_not_granted_is_refused_by_the_database(
    stack: Stack, migrated: DatabaseSettings, service: str, statement: str
) -> None:
    role = role_of(service)
    async with connected(migrated, user=role, password=stack.state.passwords[role]) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await connection.execute(statement)


async def test_what_was_granted_by_hand_is_taken_back_by_the_next_migration(migrated: DatabaseSettings) -> None:
    await held(migrated, "GRANT ALL ON processed_data TO feedmill_fetcher, PUBLIC")
    asked = "SELECT has_table_privilege('feedmill_fetcher', 'processed_data', 'INSERT')"
    assert await held(migrated, asked) == [(True,)]
    await migrate.upgrade(migrated)
    assert await held(migrated, asked) == [(False,)]


@pytest.fixture
def other_roles(monkeypatch: pytest.MonkeyPatch) -> str:
    """Roles that do not exist, in place of those of the cluster: their names begin so."""
    prefix = f"test_{secrets.token_hex(4)}"
    monkeypatch.setattr(rights, "role_of", lambda service: f"{prefix}_{service}")
    return prefix


@pytest.mark.usefixtures("other_roles")
async def test_without_roles_the_owner_alone_is_enough(empty_database: DatabaseSettings) -> None:
    assert await migrate.upgrade(empty_database) == migrate.head()
    assert await held(empty_database, "SELECT has_schema_privilege('public', 'public', 'USAGE')") == [(True,)]


async def test_a_role_that_is_missing_and_may_not_be_made_is_named(
    other_roles: str, empty_database: DatabaseSettings
) -> None:
    with pytest.raises(ConfigurationError, match=rf"CREATE ROLE {other_roles}_gateway LOGIN") as caught:
        await migrate.upgrade(empty_database, passwords={"gateway": "S3cr3t"})
    assert "S3cr3t" not in str(caught.value)


@pytest.fixture
def administrator(stack: Stack, empty_database: DatabaseSettings) -> DatabaseSettings:
    """Settings of one who may make roles, as in the bundled server of Compose."""
    password = type(empty_database.password)(stack.state.passwords[DATABASE_ADMINISTRATOR])
    return empty_database.model_copy(update={"user": DATABASE_ADMINISTRATOR, "password": password})


async def test_roles_are_made_and_their_passwords_renewed_where_that_may_be_done(
    administrator: DatabaseSettings, other_roles: str
) -> None:
    role = f"{other_roles}_fetcher"
    try:
        for password in ("first", "second"):
            await migrate.upgrade(administrator, passwords={"fetcher": password})
            async with connected(administrator, user=role, password=password) as connection:
                assert await connection.fetchval("SELECT count(*) FROM sync_state") == 0
        with pytest.raises(asyncpg.InvalidPasswordError):
            async with connected(administrator, user=role, password="first"):
                pass
    finally:
        await held(administrator, f"DROP OWNED BY {role}")
        await held(administrator, f"DROP ROLE {role}")
