"""Servers that the tests of one file may stop, break and change."""

from collections.abc import Iterator

import pytest

from sandbox.stack import Stack


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A database and its replica, for one file alone."""
    stack = Stack(tmp_path_factory.mktemp("replicated"), preferred_ports={}, servers=("database", "replica"))
    try:
        stack.up()
        yield stack
    finally:
        stack.delete_data()
