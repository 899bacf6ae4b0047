"""The migrated schema and the one that `tables` would create agree where the automatic comparison does not look."""

import pytest
from tests.lent import connected

from common.db import migrate
from common.db.engine import create_engine
from common.db.shop_tables import metadata
from common.settings import DatabaseSettings

CONSTRAINTS = """
    SELECT conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version' ORDER BY 1
"""
"""Every primary key, unique and check constraint, with its text."""

INDEXES = """
    SELECT indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1
"""
"""Every index, with its expressions and its predicate."""

OPTIONS = """
    SELECT relname || ' ' || relpersistence::text || ' ' || unnest(reloptions) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace ORDER BY 1
"""
"""How tables are stored and vacuumed."""


async def listed(settings: DatabaseSettings, query: str) -> list[str]:
    """Return the only column of `query`."""
    async with connected(settings) as connection:
        return [row[0] for row in await connection.fetch(query)]


@pytest.mark.parametrize("query", [CONSTRAINTS, INDEXES, OPTIONS], ids=["constraints", "indexes", "options"])
async def test_what_no_comparison_sees_is_as_in_the_tables(empty_database: DatabaseSettings, query: str) -> None:
    await migrate.upgrade(empty_database)
    migrated = await listed(empty_database, query)
    engine = create_engine(empty_database, application="test")
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)  # leaves the functions, which the tables' indexes call
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    from_tables = await listed(empty_database, query)
    assert migrated == from_tables
    assert len(migrated) > (20 if query == OPTIONS else len(metadata.tables))
