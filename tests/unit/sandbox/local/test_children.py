"""Services are started once, known again, started anew when they died or changed, and ended without a trace."""

import os
import signal
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from common.clock import SystemClock
from sandbox.local.children import Children
from sandbox.local.errors import LocalError
from sandbox.local.services import Service
from sandbox.local.state import LocalFolder, StartedService
from sandbox.stack.process import ServerProcess

SLEEP = "import time; time.sleep(60)"


def a_service(name: str = "sleeper", code: str = SLEEP, **settings: str) -> Service:
    return Service(name, (sys.executable, "-c", code), {"PATH": "/usr/bin:/bin", **settings}, is_ready=lambda: True)


@pytest.fixture
def children(tmp_path: Path, folder: LocalFolder) -> Iterator[Children]:
    children = Children(tmp_path, folder, clock=SystemClock())
    yield children
    children.stop_all()


def pid(folder: LocalFolder, name: str = "sleeper") -> int:
    return folder.state.services[name].process.pid


def test_what_runs_is_left_alone_and_remembered_by_the_next_command(
    children: Children, folder: LocalFolder, tmp_path: Path
) -> None:
    children.bring_up([a_service()])
    first = pid(folder)
    later = Children(tmp_path, LocalFolder(folder.path), clock=SystemClock())
    later.bring_up([a_service()])
    assert pid(LocalFolder(folder.path)) == first
    assert later.condition(a_service()).pid == first


def test_what_died_is_started_again_and_the_others_are_not(children: Children, folder: LocalFolder) -> None:
    services = [a_service("one"), a_service("two")]
    children.bring_up(services)
    before = {name: pid(folder, name) for name in ("one", "two")}
    folder.state.services["one"].process.end(signal.SIGKILL, patience_s=5)
    assert children.condition(services[0]).pid is None
    children.bring_up(services)
    assert pid(folder, "one") != before["one"]
    assert pid(folder, "two") == before["two"]


@pytest.mark.parametrize("change", ["setting", "config.yaml", "code"])
def test_a_service_with_other_settings_or_code_is_started_anew(
    change: str, children: Children, folder: LocalFolder, tmp_path: Path
) -> None:
    children.bring_up([a_service()])
    before = pid(folder)
    if change == "config.yaml":
        (tmp_path / "config.yaml").write_text("log: {level: DEBUG}\n")
    if change == "code":
        (tmp_path / "libs/common/src").mkdir(parents=True)
        (tmp_path / "libs/common/src/clock.py").write_text("")
    children.bring_up([a_service(API_PORT="6000") if change == "setting" else a_service()])
    assert pid(folder) != before
    assert ServerProcess.of(before) is None


def test_a_service_that_is_no_longer_wanted_is_ended(children: Children, folder: LocalFolder) -> None:
    children.bring_up([a_service("upstream"), a_service()])
    before = folder.state.services["upstream"].process
    children.bring_up([a_service()])
    assert not before.is_alive()
    assert set(folder.state.services) == {"sleeper"}


def test_stopping_ends_everything_and_says_what_ran(children: Children, folder: LocalFolder) -> None:
    children.bring_up([a_service("one"), a_service("two")])
    processes = [started.process for started in folder.state.services.values()]
    assert children.stop_all() == ["one", "two"]
    assert not any(process.is_alive() for process in processes)
    assert LocalFolder(folder.path).state.services == {}
    assert children.stop_all() == []


def test_a_pid_that_somebody_else_has_now_is_not_ended(children: Children, folder: LocalFolder) -> None:
    children.bring_up([a_service()])
    stranger = folder.state.services["sleeper"].process
    taken_over = ServerProcess(pid=stranger.pid, started=f"{stranger.started}0")
    folder.state.services["sleeper"] = StartedService(process=taken_over, made_of="x")
    assert children.stop_all() == []
    assert stranger.is_alive()
    stranger.end(signal.SIGKILL, patience_s=5)


def test_a_service_that_ends_at_its_start_is_told_with_its_last_words(children: Children) -> None:
    code = "import sys; sys.exit('[INFO] reading\\n[ERROR] gateway.prot: unknown key\\nbye')"
    dying = replace(a_service("gateway", code), is_ready=lambda: False)
    with pytest.raises(LocalError, match=r"^gateway did not start: gateway.prot: unknown key \(see .*gateway.out\)$"):
        children.bring_up([dying])


def test_a_program_in_the_foreground_gives_its_code_and_is_forgotten(children: Children, folder: LocalFolder) -> None:
    words = [sys.executable, "-c", "import os, sys; sys.exit(75 if os.getsid(0) == os.getpid() else 1)"]
    assert children.run("fetcher", words, {}) == 75
    assert LocalFolder(folder.path).state.services == {}


def test_what_a_program_in_the_foreground_writes_is_its_owners_only(children: Children, tmp_path: Path) -> None:
    words = [sys.executable, "-c", "open('fetcher.log', 'w').close()"]
    before = os.umask(0o022)
    try:
        assert children.run("fetcher", words, {}) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "fetcher.log").stat().st_mode) == 0o600


def test_a_program_in_the_foreground_can_be_ended_by_another_launcher(
    children: Children, folder: LocalFolder, tmp_path: Path
) -> None:
    def end_from_elsewhere() -> None:
        other = LocalFolder(folder.path)
        while "fetcher" not in other.state.services:
            other = LocalFolder(folder.path)
        with other.locked():
            Children(tmp_path, other, clock=SystemClock()).stop_all()

    with ThreadPoolExecutor(1) as elsewhere:
        ended = elsewhere.submit(end_from_elsewhere)
        assert children.run("fetcher", [sys.executable, "-c", SLEEP], {}) == -signal.SIGTERM
        ended.result()
