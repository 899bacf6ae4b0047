"""A queue of one's own, and a look at one's own tables."""

from collections.abc import AsyncIterator

import pytest
from tests.integration.normalizer.road import Queue, Rows, opened_queue, opened_rows

from common.settings import DatabaseSettings
from sandbox.stack import Vhost


@pytest.fixture
async def queue(vhost: Vhost) -> AsyncIterator[Queue]:
    """The broker as the fetcher and an operator see it."""
    async with opened_queue(vhost) as opened:
        yield opened


@pytest.fixture
async def rows(database: DatabaseSettings) -> AsyncIterator[Rows]:
    """The database as a reader sees it."""
    async with opened_rows(database) as opened:
        yield opened
