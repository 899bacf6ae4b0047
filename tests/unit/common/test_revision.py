"""Processes that do not load Alembic know the newest revision."""

from common.db import migrate, revision


def test_the_constant_is_the_head_of_the_migrations() -> None:
    assert migrate.head() == revision.HEAD
