"""A road for each test: own database, own virtual host, own upstream."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.road import Road, roles_of
from tests.forking import Upstream

from common.settings import DatabaseSettings
from sandbox.stack import Stack, Vhost

MakeRoad = Callable[..., Road]


@pytest.fixture
def make_road(stack: Stack, database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[MakeRoad]:
    """Return a function that starts the upstream with the given options and lays a road from it.

    Its services work as their own roles, so that a right that one lacks is found wherever it is needed.
    """
    with ExitStack() as started:

        def make(*upstream_options: str) -> Road:
            upstream = started.enter_context(Upstream(*upstream_options))
            road = Road(database, vhost, upstream, tmp_path, roles=roles_of(stack))
            started.callback(road.stop)
            return road

        yield make
