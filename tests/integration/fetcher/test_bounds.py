"""Answers without bounds, read by the whole process: it refuses each and stays small."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from tests.integration.fetcher.causes import BOMB, CHUNKED
from tests.integration.fetcher.command import Command
from tests.integration.fetcher.raw_server import Answer, raw_server, repeating, sending, whole

from common.settings import DatabaseSettings
from sandbox.stack import Vhost
from sandbox.upstream.server import UpstreamProcess

pytestmark = pytest.mark.integration

MOST_KIB = 300 * 1024
MEASURED = (
    "import pathlib, sys, fetcher.app as a; c = a.main(); print(*pathlib.Path('/proc/self/status').open()); sys.exit(c)"
)
"""The command, with its peak memory as the last thing it says; `getrusage` would tell that of its parent."""

CHANGE_ID = sending(whole("200 OK", body=b'{"change_id":7}'))
MIB_OF_BLANKS = b" " * 1024 * 1024


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(sending(whole("200 OK", body=BOMB, headers="Content-Encoding: gzip\r\n")), id="gzip bomb"),
        pytest.param(repeating(CHUNKED, b"100000\r\n" + MIB_OF_BLANKS + b"\r\n"), id="chunks without end"),
        pytest.param(repeating(b"HTTP/1.1 200 OK\r\n\r\n", MIB_OF_BLANKS), id="a body without end"),
        pytest.param(repeating(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100_000), id="headers without end"),
    ],
)
async def test_a_flood_is_a_gap_and_costs_no_memory(
    answer: Answer, database: DatabaseSettings, vhost: Vhost, tmp_path: Path
) -> None:
    upstream = UpstreamProcess()
    quickly = {"FEEDMILL__FETCHER__MAX_RETRIES": "0", "FEEDMILL__FETCHER__QUICK_RETRIES": "0"}
    async with raw_server(CHANGE_ID, answer) as server:
        upstream.base_url = server.url
        command = Command(database, vhost, upstream, tmp_path, quickly)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MEASURED, "initial-load"),
            env=command.environment(),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        said = (await process.communicate())[0].decode()
    assert (process.returncode, said.count("noted as a gap")) == (1, 3), said
    peak = re.search(r"VmHWM:\s+(\d+) kB", said)
    assert peak is not None
    assert int(peak[1]) < MOST_KIB
