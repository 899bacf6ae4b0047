"""`fetcher initial-load` as an operator meets it: real process, broker, database and a stand-in upstream."""

import asyncio
import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from tests.forking import Upstream
from tests.integration.fetcher.command import Command
from tests.lent import connected

from common import topology
from common.events import decode
from common.settings import DatabaseSettings
from fetcher.core.errors import KEY_REFUSED
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

Make = Callable[..., Command]


@pytest.fixture
def make(database: DatabaseSettings, vhost: Vhost, tmp_path: Path) -> Iterator[Make]:
    """Return a function that starts an upstream with these faults and gives the command for it."""
    with ExitStack() as exits:

        def start(*options: str, faults: list[dict[str, object]] | None = None, **extra: str) -> Command:
            if faults:
                script = tmp_path / "faults.json"
                script.write_text(json.dumps(faults))
                options = (*options, "--faults", str(script))
            upstream = exits.enter_context(Upstream("--offers", "100", "--quirks", "off", *options))
            command = Command(database, vhost, upstream, tmp_path, extra)
            exits.callback(command.end)
            return command

        yield start


async def rows(command: Command, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in the command's database."""
    async with connected(command.database) as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def published(command: Command) -> list[tuple[int, int]]:
    """Take all messages from the normalizer's queue; return position and number of records of each."""
    async with await aio_pika.connect(command.vhost.urls["normalizer"]) as connection:
        queue = await (await connection.channel()).get_queue(topology.RAW_QUEUE, ensure=False)
        found = []
        while message := await queue.get(no_ack=True, fail=False):
            event = decode(message.body)
            found.append((event.position, len(event.records)))
        return found


async def test_a_load_ends_in_the_queue_the_ledger_and_the_diary(make: Make) -> None:
    command = make()
    assert await asyncio.to_thread(command.run, "initial-load") == 0
    assert await published(command) == [(page, 20) for page in range(1, 6)]
    assert await rows(command, "SELECT status, position, next_position, pages, records FROM fetch_runs") == [
        ("done", 5, None, 5, 100)
    ]
    assert await rows(command, "SELECT position, status, records FROM feed_pages ORDER BY 1") == [
        (page, "fetched", 20) for page in range(1, 6)
    ]
    same = "SELECT last_change_id = start_change_id FROM sync_state JOIN fetch_runs USING (platform)"
    assert await rows(command, same) == [(True,)]
    ((kind, status, counts),) = await rows(command, "SELECT operation_type, status, counts FROM operations_log")
    assert (kind, status) == ("data_fetch", "OK")
    assert json.loads(counts) == {"pages": 5, "records": 100, "gaps": 0, "retries": 0, "resumed": 0}
    lines = command.said.splitlines()
    assert "[INFO] Starting page 1 loading" in lines
    assert re.fullmatch(r"\[INFO\] Progress: 100\.0% \(100 / 100 records\) \| Speed: [\d,]+ records/min", lines[-2])
    assert lines[-1] == "[INFO] initial load finished, che168: 100 records in 5 pages"


async def test_a_load_is_paused_resumed_left_alone_and_made_again(make: Make) -> None:
    command = make()
    codes = [
        await asyncio.to_thread(command.run, "initial-load", *arguments)
        for arguments in (["--max-pages", "2"], [], [], ["--again"])
    ]
    assert codes == [0, 0, 0, 0]
    assert [page for page, _ in await published(command)] == [1, 2, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    assert await rows(command, "SELECT status, pages, records FROM fetch_runs") == [("done", 5, 100)] * 2
    for line in ("resuming the initial load, last confirmed page 2", "--again (AGAIN=1) loads anew"):
        assert line in command.said


HANGS_AT_3: dict[str, object] = {"kind": "hang", "endpoint": "offers", "position": 3}


async def test_a_second_start_exits_75_with_one_line(make: Make) -> None:
    command = make(faults=[HANGS_AT_3])
    first = command.start("initial-load")
    await asyncio.to_thread(command.wait_until_said, "Starting page 1 loading")
    assert await asyncio.to_thread(command.run, "initial-load") == 75
    assert "[ERROR] a fetcher is already running for che168\n" in command.said
    assert first.poll() is None


async def test_sigterm_keeps_what_is_saved_and_exits_0(make: Make) -> None:
    command = make(faults=[HANGS_AT_3])
    process = command.start("initial-load")
    while await rows(command, "SELECT position FROM fetch_runs") != [(2,)]:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 10) == 0
    assert await rows(command, "SELECT status, position FROM fetch_runs") == [("running", 2)]
    assert "initial load interrupted, che168: 40 records in 2 pages; start again to resume" in command.said
    assert await asyncio.to_thread(command.run, "initial-load") == 0
    assert [page for page, _ in await published(command)] == [1, 2, 1, 2, 3, 4, 5]


async def test_a_second_signal_ends_at_once(make: Make) -> None:
    command = make(faults=[HANGS_AT_3])
    process = command.start("initial-load")
    await asyncio.to_thread(command.wait_until_said, "Starting page 1 loading")
    async with connected(command.database) as blocker:
        await blocker.execute("BEGIN; LOCK TABLE operations_log")
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(command.wait_until_said, "once more ends at once")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 5) == 128 + signal.SIGTERM


async def test_kill_9_anywhere_loses_nothing(make: Make) -> None:
    command = make(
        faults=[{"kind": "hang", "endpoint": "offers", "position": page} for page in (2, 3, 5)],
        FEEDMILL__FETCHER__REQUEST_TIMEOUT_S="2",
        FEEDMILL__FETCHER__RETRY_INTERVAL_S="0.1",
    )
    for starts in (1, 2, 3):
        process = command.start("initial-load")
        await asyncio.to_thread(command.wait_until_said, "Starting page", times=starts)
        process.kill()
        await asyncio.to_thread(process.wait)
    assert await asyncio.to_thread(command.run, "initial-load") == 0
    assert sorted({page for page, _ in await published(command)}) == [1, 2, 3, 4, 5]
    assert await rows(command, "SELECT count(*) FROM feed_pages WHERE status <> 'fetched'") == [(0,)]


@pytest.mark.parametrize(
    ("faults", "extra", "line"),
    [
        pytest.param(
            [{"kind": "status", "code": 401, "endpoint": "offers", "position": 3, "times": None}],
            {},
            f"[ERROR] che168: page 3: http_401: status 401; {KEY_REFUSED}",
            id="401",
        ),
        pytest.param(
            [{"kind": "html_200", "endpoint": "offers", "times": None}],
            {"FEEDMILL__FETCHER__QUICK_DELAY_S": "0", "FEEDMILL__FETCHER__MAX_RETRIES": "0"},
            "[ERROR] che168: 3 pages in a row are dead, the last one 3: not_json: HTML; start again to resume",
            id="HTML for ever",
        ),
    ],
)
async def test_an_upstream_that_fails_is_a_line_a_code_and_a_row(
    make: Make, faults: list[dict[str, object]], extra: dict[str, str], line: str
) -> None:
    command = make(faults=faults, **extra)
    assert await asyncio.to_thread(command.run, "initial-load") == 1
    assert line in command.said.splitlines()
    assert "Traceback" not in command.said
    assert await rows(command, "SELECT status FROM operations_log") == [("ERROR",)]
    assert await rows(command, "SELECT status FROM fetch_runs") == [("failed",)]


async def test_a_dead_page_is_a_gap_and_the_code_says_so(make: Make) -> None:
    command = make(
        faults=[{"kind": "status", "code": 500, "endpoint": "offers", "position": 2, "times": None}],
        FEEDMILL__FETCHER__MAX_RETRIES="0",
    )
    assert await asyncio.to_thread(command.run, "initial-load") == 1
    query = "SELECT position, error FROM feed_pages WHERE status = 'gap'"
    assert await rows(command, query) == [(2, "http_5xx: status 500")]
    assert command.said.endswith(
        "[WARNING] initial load finished, che168: 80 records in 4 pages; 1 pages are missing\n"
    )


@pytest.mark.parametrize(
    ("extra", "code", "line"),
    [
        ({"DB_PORT": "9"}, 1, r"\[ERROR\] database 127\.0\.0\.1:9/.*refused"),
        ({"RABBITMQ_URL": "amqp://fetcher:pw@127.0.0.1:9/x"}, 1, r"\[ERROR\] broker 127\.0\.0\.1:9: .*"),
        ({"FEEDMILL__FETCHER__MAX_RETRYS": "3"}, 2, r"\[ERROR\] fetcher\.max_retrys: unknown key"),
        ({"CHE168_BASE_URL": ""}, 2, r"\[ERROR\] platforms\.che168\.access_name \(CHE168_ACCESS_NAME\).*"),
    ],
    ids=["no database", "no broker", "an unknown setting", "no address"],
)
async def test_a_start_that_cannot_work_is_one_line(make: Make, extra: dict[str, str], code: int, line: str) -> None:
    command = make(**extra)
    assert await asyncio.to_thread(command.run, "initial-load") == code
    (said,) = command.said.splitlines()
    assert re.match(line, said), said


async def test_an_unknown_platform_is_a_usage_error(make: Make) -> None:
    command = make()
    assert await asyncio.to_thread(command.run, "initial-load", "--platform", "nosuch") == 2
    assert command.said == "[ERROR] --platform nosuch: not configured; known: che168\n"


async def test_lost_connections_in_mid_run_are_made_anew(make: Make, stack: Stack) -> None:
    command = make("--offers", "400", "--delay-ms", "250")
    process = command.start("initial-load")
    query = "SELECT 1 FROM fetch_runs WHERE pages >= 3"
    while not await rows(command, query):
        assert process.poll() is None
    async with connected(command.database) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'fetcher@%'"
        )
    management = stack.broker.management()
    connections = await asyncio.to_thread(management.get, "vhosts", command.vhost.name, "connections")
    for connection in connections:
        await asyncio.to_thread(management.ask, "DELETE", "connections", connection["name"])
    assert await asyncio.to_thread(process.wait, 60) == 0
    assert "Traceback" not in command.said
    assert sorted({page for page, _ in await published(command)}) == list(range(1, 21))
    assert await rows(command, "SELECT pages, records FROM fetch_runs") == [(20, 400)]


async def test_the_key_is_nowhere(make: Make, tmp_path: Path) -> None:
    key = "canary-4f1c9e"
    faults = [
        {"kind": kind, "endpoint": "offers", "position": page}
        for page, kind in enumerate(("cut_body", "reset", "html_200", "not_json", "wrong_shape", "status"), start=1)
    ]
    command = make(
        *("--offers", "140", "--api-key", key),
        faults=faults,
        FEEDMILL__LOG__LEVEL="DEBUG",
        FEEDMILL__LOG__DIRECTORY=str(tmp_path / "logs"),
        FEEDMILL__FETCHER__QUICK_DELAY_S="0",
        FEEDMILL__FETCHER__RETRY_INTERVAL_S="0.1",
        FEEDMILL__PLATFORMS__CHE168__API_KEY=key,
    )
    assert await asyncio.to_thread(command.run, "initial-load") == 0
    written = command.said + "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    for table in ("fetch_runs", "feed_pages", "operations_log", "sync_state"):
        written += str(await rows(command, f"SELECT t::text FROM {table} t"))  # noqa: S608 - four constants
    assert "trying again" in written
    assert key not in written
