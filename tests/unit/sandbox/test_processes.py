"""A process is known again by more than its pid, and only what was started here is ended."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.testing.clock import VirtualClock
from sandbox.processes import ProcessIdentity, ProcessTable, identify, is_alive, spawn, stop

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
)


@pytest.fixture
def started() -> Iterator[list[ProcessIdentity]]:
    identities: list[ProcessIdentity] = []
    yield identities
    for identity in identities:
        if is_alive(identity):
            os.killpg(identity.pid, signal.SIGKILL)
        os.waitpid(identity.pid, 0)


async def _first_word(log: Path) -> str:
    clock = SystemClock()
    deadline = clock.monotonic() + 10
    while not (words := await asyncio.to_thread(log.read_text)).endswith("\n"):
        assert clock.monotonic() < deadline
        await clock.sleep(0.02)
    return words.strip()


def test_a_spawned_process_runs_in_its_own_session_and_writes_to_its_log(
    tmp_path: Path, started: list[ProcessIdentity]
) -> None:
    log = tmp_path / "logs" / "echo.log"
    code = "import os; print(os.environ['GREETING'], os.getcwd(), os.getsid(0) == os.getpid())"
    started.append(spawn([sys.executable, "-c", code], log=log, environment={"GREETING": "hello"}, directory=tmp_path))
    os.waitid(os.P_PID, started[0].pid, os.WEXITED | os.WNOWAIT)
    assert log.read_text() == f"hello {tmp_path} True\n"


def test_a_zombie_is_not_alive(tmp_path: Path, started: list[ProcessIdentity]) -> None:
    started.append(spawn([sys.executable, "-c", ""], log=tmp_path / "log"))
    os.waitid(os.P_PID, started[0].pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(started[0])
    assert identify(started[0].pid) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}], ids=["start time", "boot"])
async def test_a_recycled_pid_is_neither_alive_nor_ended(
    change: dict[str, object], tmp_path: Path, started: list[ProcessIdentity]
) -> None:
    started.append(spawn(SLEEPER, log=tmp_path / "log"))
    recorded = replace(started[0], **change)  # type: ignore[arg-type]  # the table names one field each
    assert not is_alive(recorded)
    assert await stop([recorded], grace_s=5, clock=VirtualClock()) == []
    assert is_alive(started[0])


async def test_stopping_ends_what_obeys_within_the_grace_time(tmp_path: Path, started: list[ProcessIdentity]) -> None:
    started.append(spawn(SLEEPER, log=tmp_path / "log"))
    assert await stop(started, grace_s=10, clock=SystemClock()) == []
    assert not is_alive(started[0])


async def test_what_ignores_the_first_signal_is_killed_after_the_grace_time(
    tmp_path: Path, started: list[ProcessIdentity]
) -> None:
    started.append(spawn(STUBBORN, log=tmp_path / "log"))
    assert await _first_word(tmp_path / "log") == "deaf"
    assert await stop(started, grace_s=0.1, clock=SystemClock()) == started
    assert not is_alive(started[0])


async def test_children_left_behind_in_the_session_are_killed(tmp_path: Path, started: list[ProcessIdentity]) -> None:
    sleeper = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    code = f"import subprocess, sys; child = subprocess.Popen({sleeper}); print(child.pid, flush=True); child.wait()"
    started.append(spawn([sys.executable, "-c", code], log=tmp_path / "log"))
    child = identify(int(await _first_word(tmp_path / "log")))
    assert child is not None
    await stop(started, grace_s=10, clock=SystemClock())
    assert not is_alive(child)


def test_the_table_remembers_over_commands_and_forgets_on_request(tmp_path: Path) -> None:
    path = tmp_path / "state" / "processes.json"
    one, two = ProcessIdentity(1, 2, "a"), ProcessIdentity(3, 4, "b")
    assert ProcessTable(path).read() == {}
    ProcessTable(path).add("one", one)
    ProcessTable(path).add("two", two)
    assert ProcessTable(path).read() == {"one": one, "two": two}
    ProcessTable(path).remove(["one", "never there"])
    assert ProcessTable(path).read() == {"two": two}


def test_the_table_tells_who_is_still_alive(tmp_path: Path, started: list[ProcessIdentity]) -> None:
    table = ProcessTable(tmp_path / "processes.json")
    started.append(spawn(SLEEPER, log=tmp_path / "log"))
    table.add("sleeper", started[0])
    table.add("gone", replace(started[0], started=1))
    assert table.alive() == {"sleeper": started[0]}
