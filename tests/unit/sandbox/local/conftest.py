"""An environment in which nobody has set anything of ours."""

import os
from pathlib import Path

import pytest

from common import settings
from sandbox.local.state import LocalFolder
from sandbox.local.surroundings import Surroundings, nothing_given


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take every name of ours out of the environment, and leave nothing behind that a test loads into it."""
    for name in [*settings.FLAT_NAMES, *settings.COMPOSE_NAMES, *settings.OTHER_NAMES, *os.environ]:
        if name.startswith("FEEDMILL_") or name not in os.environ or name in settings.FLAT_NAMES:
            monkeypatch.setenv(name, "")  # so that it is put back afterwards
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    """The folder of a launcher that has started nothing yet."""
    folder = LocalFolder(tmp_path / ".local")
    folder.logs.mkdir(parents=True)
    return folder


@pytest.fixture
def surroundings() -> Surroundings:
    """An environment that brings nothing."""
    return nothing_given()
