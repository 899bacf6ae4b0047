"""What does not run is named, with the way out; the doctor is let in all the more."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from common.settings import SERVICE_PASSWORDS, role_of
from common.testing.clock import VirtualClock
from sandbox.local import console, native
from sandbox.local.errors import LocalError
from sandbox.local.native import NativeRuntime
from sandbox.local.state import LocalFolder
from sandbox.local.surroundings import Surroundings
from sandbox.stack.broker import Broker
from sandbox.stack.database import Database
from sandbox.stack.ports import PREFERRED
from sandbox.stack.state import StateFile

pytestmark = pytest.mark.unit


@pytest.fixture
def runtime(folder: LocalFolder, surroundings: Surroundings, tmp_path: Path) -> NativeRuntime:
    """Where nothing was ever started."""
    return NativeRuntime(tmp_path, folder, surroundings, clock=VirtualClock())


@pytest.fixture
def stopped(runtime: NativeRuntime, folder: LocalFolder) -> NativeRuntime:
    """Where all has stopped that `up` had started."""
    file = StateFile(folder.path / "stack")
    with file.locked() as state:
        state.ports.update({name: 1 + number for number, name in enumerate(PREFERRED)})
        file.save()
    return runtime


@pytest.mark.parametrize("words", [("feedmill", "doctor"), ("fetcher", "daily-update")])
def test_where_nothing_was_started_no_command_runs(runtime: NativeRuntime, words: Sequence[str]) -> None:
    with pytest.raises(LocalError, match=r"^nothing runs here: make up$"):
        runtime.command(words)


def test_where_nothing_was_started_nothing_is_dumped(runtime: NativeRuntime, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"^nothing runs here: make up$"):
        runtime.transfer("dump", tmp_path)


def test_a_server_that_does_not_run_is_named(stopped: NativeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LocalError, match=r"^PostgreSQL and RabbitMQ not running: make up starts what is missing$"):
        stopped.command(["normalizer", "normalize"])
    with pytest.raises(LocalError, match=r"^PostgreSQL not running: "):
        stopped.psql()
    with pytest.raises(LocalError, match=r"^PostgreSQL not running: "):
        stopped.transfer("dump", Path("dumps"))
    monkeypatch.setattr(Database, "pid", 1)
    with pytest.raises(LocalError, match=r"^RabbitMQ not running: "):
        stopped.command(["normalizer", "normalize"])


@pytest.mark.parametrize("words", [("gateway", "tokens", "revoke", "7"), ("feedmill", "migrate")])
def test_what_asks_the_database_alone_needs_no_broker(
    stopped: NativeRuntime, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "pid", 1)
    assert stopped.command(words).words[1:] == list(words[1:])
    stopped.psql()
    stopped.transfer("dump", Path("dumps"))


def test_a_stand_in_that_does_not_run_is_named(stopped: NativeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    for server in (Database, Broker):
        monkeypatch.setattr(server, "pid", 1)
    with pytest.raises(LocalError, match=r"^the stand-in upstream not running: make up starts what is missing$"):
        stopped.command(["fetcher", "daily-update"])


def test_a_database_that_says_nothing_is_not_ready(
    stopped: NativeRuntime, folder: LocalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.path / "stack").mkdir(exist_ok=True)
    monkeypatch.setattr(Database, "pid", 1)
    for answers in (True, False):
        monkeypatch.setattr(Database, "is_ready", lambda _, answers=answers: answers)
        assert stopped.conditions()[0].is_ready is answers


def test_the_doctor_looks_also_where_nothing_runs(stopped: NativeRuntime, folder: LocalFolder) -> None:
    called = stopped.command(["feedmill", "doctor"])
    assert called.words[1:] == ["doctor"]
    assert called.environment["DB_PORT"] == str(StateFile(folder.path / "stack").read().ports["database"])


def test_only_the_doctor_is_told_the_passwords_of_every_service(
    stopped: NativeRuntime, folder: LocalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = StateFile(folder.path / "stack").read().passwords
    told = stopped.command(["feedmill", "doctor"]).environment
    for service, name in SERVICE_PASSWORDS.items():
        assert told[name] == passwords[role_of(service)]
    for service in ("fetcher", "normalizer"):
        assert told[f"RABBITMQ_URL_{service.upper()}"].startswith(f"amqp://{service}:{passwords[service]}@")
    monkeypatch.setattr(Database, "pid", 1)
    others = stopped.command(["feedmill", "dump"]).environment
    assert not others.keys() & {*SERVICE_PASSWORDS.values(), "RABBITMQ_URL_FETCHER", "RABBITMQ_URL_NORMALIZER"}


def test_what_a_command_warns_of_is_said_while_it_still_runs(
    stopped: NativeRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, heard = tmp_path / "gateway", tmp_path / "heard"
    wait = f"for _ in $(seq 600); do if [ -e {heard} ]; then exit 0; fi; sleep 0.1; done"
    script.write_text(f"#!/bin/sh\necho '[INFO] begins'\necho '[WARNING] somebody is in the way' >&2\n{wait}\nexit 1\n")
    script.chmod(0o700)
    said: list[str] = []

    def hear(text: str, *, level: str = "INFO") -> None:
        said.append(f"{level} {text}")
        heard.touch()

    monkeypatch.setattr(native, "program", lambda name: str(tmp_path / name))
    monkeypatch.setattr(console, "say", hear)
    stopped.make_tokens(1, only_if_none=False, description="of a test")
    assert said == ["WARNING somebody is in the way"]
