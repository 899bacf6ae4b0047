"""A road for each test: own database, own virtual host, own upstream."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.road import Road

from common.settings import DatabaseSettings
from sandbox.stack import Vhost
from sandbox.upstream.server import UpstreamProcess

MakeRoad = Callable[..., Road]


@pytest.fixture
def make_road(database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[MakeRoad]:
    """Return a function that starts the upstream with the given options and lays a road from it."""
    with ExitStack() as started:

        def make(*upstream_options: str) -> Road:
            upstream = started.enter_context(UpstreamProcess(*upstream_options))
            road = Road(database, vhost, upstream, tmp_path)
            started.callback(road.stop)
            return road

        yield make
