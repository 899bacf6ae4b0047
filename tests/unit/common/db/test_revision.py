"""The revision that lean processes compare with is the newest migration."""

import pytest

from common.db import migrate, revision

pytestmark = pytest.mark.unit


def test_the_named_head_is_the_newest_migration() -> None:
    assert migrate.head() == revision.HEAD
