"""`SIGTERM` while a server takes connections and says nothing: the process ends in time, with code 0."""

import asyncio
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.forking import Upstream
from tests.integration.fetcher.command import Command

from common.settings import DatabaseSettings
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

STOP_WITHIN_S = 60.0


async def test_a_broker_that_says_nothing_holds_up_no_end(
    database: DatabaseSettings, vhost: Vhost, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Upstream("--offers", "20") as upstream:
        silent.setblocking(False)  # noqa: FBT003 - the name says it
        url = f"amqp://fetcher:any@127.0.0.1:{silent.getsockname()[1]}/any"
        elsewhere = replace(vhost, urls={**vhost.urls, "fetcher": url})
        grace = {"FEEDMILL__FETCHER__STOP_GRACE_S": "0.1"}
        command = Command(database, elsewhere, upstream, tmp_path, grace)
        try:
            process = command.start("initial-load")
            called, _ = await asyncio.get_running_loop().sock_accept(silent)
            with called:
                process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(process.wait, STOP_WITHIN_S) == 0, command.said
        finally:
            command.end()
        assert "Traceback" not in command.said
