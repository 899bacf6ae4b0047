"""A disk without room for the state file: what runs is stopped, and what cannot be started says why."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.stack import Stack
from sandbox.stack.errors import FullDiskError
from sandbox.stack.process import ServerProcess
from sandbox.stack.state import StateFile

pytestmark = pytest.mark.integration


@pytest.fixture
def remembered(tmp_path: Path) -> StateFile:
    """The state file of a stack that has never run."""
    file = StateFile(tmp_path)
    with file.locked():
        pass
    return file


@pytest.fixture
def _full(remembered: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what replaces it find no room."""
    opened, half = os.open, remembered.folder / "stack.json.new"

    def full(path: Any, *how: Any, **named: Any) -> int:
        return opened("/dev/full", os.O_WRONLY) if path == half else opened(path, *how, **named)

    monkeypatch.setattr(os, "open", full)


@pytest.mark.usefixtures("_full")
def test_a_state_that_cannot_be_written_is_named_and_as_it_was(remembered: StateFile) -> None:
    before = (remembered.folder / "stack.json").read_text()
    with pytest.raises(FullDiskError, match=r"stack\.json cannot be written: No space left on device"):
        remembered.save()
    assert (remembered.folder / "stack.json").read_text() == before


def test_what_runs_is_stopped_all_the_same(remembered: StateFile, request: pytest.FixtureRequest) -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as server:
        process = ServerProcess.of(server.pid)
        assert process is not None
        remembered.state.processes["database"] = process
        remembered.save()
        request.getfixturevalue("_full")
        assert Stack(remembered.folder, servers=()).down() == ["database"]
        assert server.wait(60) == -signal.SIGINT
    assert Stack(remembered.folder, servers=()).down() == []
