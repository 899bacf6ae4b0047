"""`gateway` as people start it: a real process, a real port, real signals."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile

import httpx
import pytest
from tests import forking
from tests.integration.gateway.conftest import opened

from common.clock import SystemClock
from common.settings import DatabaseSettings
from gateway.core.tokens import is_well_formed

pytestmark = pytest.mark.integration

MAX_RESIDENT_KB = 110 * 1024


@pytest.fixture
def environment(database: DatabaseSettings, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a gateway on the test's database and a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USER": database.user,
        "DB_PASSWORD": database.password.get_secret_value(),
        "DB_NAME": database.name,
        "SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "API_PORT": str(port),
    }


def resident_kb(pid: int) -> int:
    """Return the resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


async def started(environment: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """Start the command."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        env=environment,
        cwd=environment["HOME"],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run the command to its end; return its code, output and log."""
    with TemporaryFile() as out, TemporaryFile() as log:
        files = {"output": out.fileno(), "errors": log.fileno()}
        process = forking.start("gateway", *arguments, env=environment, cwd=Path(environment["HOME"]), **files)
        code = await asyncio.to_thread(process.wait, 60)
        out.seek(0)
        log.seek(0)
        return code, out.read().decode(), log.read().decode()


@asynccontextmanager
async def running(
    environment: Mapping[str, str],
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Serve until the block ends."""
    process = await started(environment, "run")
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['API_PORT']}") as client:
            await _until_alive(process, client)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _until_alive(process: asyncio.subprocess.Process, client: httpx.AsyncClient) -> None:
    deadline = SystemClock().monotonic() + 60
    while SystemClock().monotonic() < deadline and process.returncode is None:
        try:
            await client.get("/health/live")
        except httpx.TransportError:
            await SystemClock().sleep(0.05)
        else:
            return
    pytest.fail("the gateway does not answer")


async def test_tokens_are_made_once_at_initialisation_and_open_the_gateway(
    environment: Mapping[str, str], tmp_path: Path, database: DatabaseSettings
) -> None:
    file = tmp_path / "tokens"
    create = ("tokens", "create", "--if-none", "--count", "20", "--file", str(file))
    (code, out, log), again = await run(environment, *create), await run(environment, *create)
    made = out.split()
    assert (code, len(set(made)), all(map(is_well_formed, made))) == (0, 20, True)
    assert again[:2] == (0, "")
    assert (file.read_text().split(), file.stat().st_mode & 0o777) == (made, 0o600)
    assert not any(token in log for token in made)

    async with running(environment) as (process, client):
        for token in made[:2]:
            answer = await client.get("/offers", headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()) == (
                200,
                {"items": [], "next_cursor": None, "total": None, "total_exact": None},
            )
        assert "server" not in answer.headers
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/docs")).status_code == 200
        assert resident_kb(process.pid) < MAX_RESIDENT_KB
        process.send_signal(signal.SIGTERM)
        out_log = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert b"Traceback" not in out_log[1]
    async with opened(database) as pool:
        used = await pool.fetch("SELECT id FROM api_tokens WHERE last_used_at IS NOT NULL ORDER BY id")
    assert [row["id"] for row in used] == [1, 2]


async def test_a_port_that_is_taken_is_one_clear_line(environment: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environment["API_PORT"]))):
        code, out, log = await run(environment, "run")
    assert (code, out) == (1, "")
    address = f"127.0.0.1:{environment['API_PORT']}"
    assert log.splitlines() == [f"[ERROR] cannot listen on {address} (API_HOST, API_PORT): Address already in use"]


@pytest.mark.parametrize(
    ("changed", "line", "ends_with"),
    [
        ({"SECRET_KEY": ""}, "[ERROR] SECRET_KEY is missing or shorter than 32 characters", 2),
        ({"DB_PORT": "1"}, "[ERROR] the database does not answer (ConnectionRefusedError)", 1),
    ],
    ids=["no key", "no database"],
)
async def test_what_is_missing_is_one_clear_line(
    environment: Mapping[str, str], changed: dict[str, str], line: str, ends_with: int
) -> None:
    code, out, log = await run({**environment, **changed}, "tokens", "list")
    assert (code, out, log.splitlines()) == (ends_with, "", [line])


async def test_a_token_is_listed_and_revoked_by_its_id(environment: Mapping[str, str]) -> None:
    await run(environment, "tokens", "create", "--description", "front end", "--expires-days", "1")
    code, out, _ = await run(environment, "tokens", "list")
    assert code == 0
    assert re.fullmatch(r"1 +active +\S+ \S+ +\S+ \S+ +- +front end", out.splitlines()[1])
    assert (await run(environment, "tokens", "revoke", "1"))[0] == 0
    assert (await run(environment, "tokens", "list"))[1].splitlines()[1].split()[:2] == ["1", "expired"]
    code, _, log = await run(environment, "tokens", "revoke", "2")
    assert (code, log) == (1, "[ERROR] no such token id=2\n")


async def test_two_that_make_the_first_tokens_at_once_make_them_once(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    create = ("tokens", "create", "--if-none", "--count", "5", "--file")
    first, second = await asyncio.gather(
        run(environment, *create, str(tmp_path / "a")), run(environment, *create, str(tmp_path / "b"))
    )
    assert sorted([len(first[1].split()), len(second[1].split())]) == [0, 5]
    assert (tmp_path / "a").exists() != (tmp_path / "b").exists()
