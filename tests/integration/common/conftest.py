"""A database of its own, and ports of which nothing comes, for tests that ask for one."""

import secrets
import socket
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


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose listener never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]
