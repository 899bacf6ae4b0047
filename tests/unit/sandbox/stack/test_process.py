"""Processes are launched to outlive us, recognised by more than a pid, and ended alone."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.stack import NotReadyError
from sandbox.stack.account import Account
from sandbox.stack.process import ServerProcess, launch, wait_ready

pytestmark = pytest.mark.unit

ENVIRONMENT = {"PATH": os.defpath}


def launched(folder: Path, *command: str) -> ServerProcess:
    return launch(command, environment=ENVIRONMENT, folder=folder, log=folder / "log", account=Account())


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ServerProcess]:
    process = launched(tmp_path, "/bin/sleep", "60")
    yield process
    process.send(signal.SIGKILL)


def test_a_launched_process_is_in_another_session_and_no_child_of_ours(sleeper: ServerProcess) -> None:
    assert os.getsid(sleeper.pid) != os.getsid(0)
    assert os.getpgid(sleeper.pid) != os.getpgid(0)
    parent = Path(f"/proc/{sleeper.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1]
    assert int(parent) != os.getpid()


def test_a_process_is_alive_until_it_is_ended(sleeper: ServerProcess) -> None:
    assert sleeper.is_alive()
    assert not sleeper.wait(0.01)
    sleeper.end(signal.SIGTERM, patience_s=5)
    assert not sleeper.is_alive()
    assert sleeper.wait(5)


def test_a_process_of_another_time_with_the_same_pid_is_never_signalled(sleeper: ServerProcess) -> None:
    earlier = sleeper.model_copy(update={"started": "another boot 1"})
    assert not earlier.is_alive()
    earlier.end(signal.SIGKILL, patience_s=0.1)
    assert not sleeper.wait(0.2)


def test_one_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    stubborn = launched(tmp_path, "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    ready = tmp_path / "log"
    wait_ready(stubborn, lambda: "ready" in ready.read_text(encoding="ascii"), name="it", log=ready, patience_s=5)
    stubborn.end(signal.SIGTERM, patience_s=0.2)
    assert not stubborn.is_alive()


LEADER_GONE = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("ready", flush=True)
EXIT = {"x86_64": 60, "aarch64": 93}[__import__("platform").machine()]
ctypes.CDLL(None).syscall(EXIT, 0)
"""


def test_a_process_lives_until_its_last_thread_has_gone(tmp_path: Path) -> None:
    process = launched(tmp_path, sys.executable, "-c", LEADER_GONE)
    stat = Path(f"/proc/{process.pid}/stat")

    def leader_is_gone() -> bool:
        return stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"

    wait_ready(process, leader_is_gone, name="it", log=tmp_path / "log", patience_s=5)
    assert process.is_alive()
    process.end(signal.SIGKILL, patience_s=5)
    assert not process.is_alive()


def test_a_server_that_ends_while_starting_is_reported_at_once(tmp_path: Path) -> None:
    process = launched(tmp_path, "/bin/sleep", "0.2")
    with pytest.raises(NotReadyError, match=r"it ended while it was starting; see .*/log"):
        wait_ready(process, lambda: False, name="it", log=tmp_path / "log", patience_s=60)


def test_a_server_that_never_answers_is_given_up(sleeper: ServerProcess, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="it did not get ready"):
        wait_ready(sleeper, lambda: False, name="it", log=tmp_path / "log", patience_s=0.3)


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError):
        launch(["/bin/sleep"], environment=ENVIRONMENT, folder=tmp_path / "no", log=tmp_path / "log", account=Account())
