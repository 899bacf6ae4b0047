"""`feedmill` does one thing a command and fails in one line."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.__main__ import main
from common.definitions import password_name
from common.settings import DatabaseSettings
from common.topology import USERS


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, away from `.env` and `config.yaml`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEEDMILL_CONFIG", raising=False)


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["definitions"], ["migrate", "--now"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: feedmill" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["migrate", "health"])
def test_a_database_that_is_away_is_one_line_and_code_1(
    command: str, closed_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DB_HOST", "127.0.0.1")
    monkeypatch.setenv("DB_PORT", str(closed_port))
    monkeypatch.setenv("DB_PASSWORD", "S3cr3t-Value")
    assert main([command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"[ERROR] database 127.0.0.1:{closed_port}/")
    assert "S3cr3t-Value" not in line


def test_a_services_health_is_asked_in_its_own_role(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr("common.__main__.probe.servers_answer", lambda settings: _noted(asked, settings.database))
    monkeypatch.setenv("DB_USER", "owner")
    monkeypatch.setenv("DB_PASSWORD", "shared-password")
    monkeypatch.setenv("DB_FETCHER_PASSWORD", "own-password")
    assert [main(["health", *words]) for words in ([], ["--as", "fetcher"], ["--as", "normalizer"])] == [0, 0, 0]
    assert asked == [
        ("owner", "shared-password"),
        ("feedmill_fetcher", "own-password"),
        ("owner", "shared-password"),
    ]


async def _noted(asked: list[tuple[str, str]], database: DatabaseSettings) -> None:
    asked.append((database.user, database.password.get_secret_value()))


def test_a_wrong_setting_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text("databse: {}\n")
    assert main(["migrate"]) == 2
    assert capsys.readouterr().err == "[ERROR] config.yaml: unknown key databse\n"


def test_the_settings_of_every_service_are_looked_at_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET_KEY", 32 * "x")
    assert main(["doctor", "--settings"]) == 0
    (tmp_path / "config.yaml").write_text("gateway: {prot: 1}\nnormalizer: {linger_s: 0}\n")
    assert main(["doctor", "--settings"]) == 2
    assert capsys.readouterr().err == (
        "[INFO] settings are complete\n"
        "[ERROR] settings of gateway: gateway.prot: unknown key; "
        "settings of normalizer: normalizer.linger_s: Input should be greater than 0\n"
    )


def test_definitions_are_written_with_the_passwords_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for user in USERS:
        monkeypatch.setenv(password_name(user), "x" * 8)
    template = tmp_path / "template.json"
    template.write_text(json.dumps({"users": [{"name": user} for user in USERS]}))
    assert main(["definitions", "--template", str(template), "--out", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["users"][0]["password_hash"]
    assert capsys.readouterr().err.startswith("[INFO] definitions written file=")


def test_a_health_check_loads_nothing_that_it_does_not_need() -> None:
    shown = "import sys, common.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - own words
    assert "common.probe" in loaded
    assert {"sqlalchemy", "alembic", "httpx", "aio_pika", "prometheus_client"} & set(loaded) == set()
