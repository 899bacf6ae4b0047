"""A database of its own for each test that asks for one."""

import secrets
from collections.abc import Iterator

import pytest
from tests.conftest import settings_of

from common.settings import DatabaseSettings
from sandbox.stack import Stack


@pytest.fixture
def empty_database(stack: Stack) -> Iterator[DatabaseSettings]:
    """A database without any table."""
    name = f"test_{secrets.token_hex(4)}"
    stack.create_database(name)
    yield settings_of(stack, name)
    stack.drop_database(name)
