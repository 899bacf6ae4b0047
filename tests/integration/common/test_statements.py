"""Every statement that a service keeps as a constant is one that its own role may do.

Most tests work as the owner of the tables, who may do anything; so each statement is planned here as its role, which
asks for the rights and does nothing.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, Final

import asyncpg
import pytest
from tests.lent import connected

from common.db.rights import SERVICES
from common.settings import DatabaseSettings, role_of
from normalizer.adapters.sql import ROW_TYPES
from sandbox.stack import Stack

OF_THE_OWNER: Final = {"gateway.adapters.tokens.ADD", "gateway.adapters.tokens.REVOKE"}
"""Statements of `gateway tokens`, which works as the owner."""

LEAST: Final = 30
"""Statements of each service that can be planned; parts of statements, and those made at run time, cannot."""


def constants(service: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each constant of a service's adapters that may be a statement."""
    package = importlib.import_module(f"{service}.adapters")
    for module in pkgutil.iter_modules(package.__path__, f"{service}.adapters."):
        for name, value in vars(importlib.import_module(module.name)).items():
            for text in texts(value):
                if re.search(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", text):
                    yield f"{module.name}.{name}", text


def texts(value: object) -> Iterator[str]:
    """Yield every text in a constant, which may be in a tuple or a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


async def planned(connection: "asyncpg.Connection[Any]", statement: str) -> bool:
    """Plan a statement with nulls for its values; return whether it is one at all.

    Raises:
        InsufficientPrivilegeError: The role may not do it.
    """
    count = max((int(number) for number in re.findall(r"\$(\d+)", statement)), default=0)
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"PREPARE planned AS {statement}")
        await connection.execute(f"EXPLAIN EXECUTE planned{values}")
    except asyncpg.InsufficientPrivilegeError:
        raise
    except asyncpg.PostgresError:
        return False
    finally:
        await transaction.rollback()
        await connection.execute("DEALLOCATE ALL")
    return True


@pytest.mark.parametrize("service", SERVICES)
async def test_no_statement_of_a_service_needs_a_right_that_its_role_lacks(
    stack: Stack, module_database: DatabaseSettings, service: str
) -> None:
    role = role_of(service)
    refused, count = set(), 0
    async with connected(module_database, user=role, password=stack.state.passwords[role]) as connection:
        if service == "normalizer":
            await connection.execute(ROW_TYPES)
        for name, statement in constants(service):
            try:
                count += await planned(connection, statement)
            except asyncpg.InsufficientPrivilegeError:
                refused.add(name)
    assert refused == {name for name in OF_THE_OWNER if name.startswith(service)}
    assert count >= LEAST
