"""A missing package is one line that names it and the command that installs it."""

from pathlib import Path

import pytest

from sandbox import __main__ as command_line
from sandbox.stack import MissingPackageError, programs, stack

pytestmark = pytest.mark.unit


def a_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="ascii")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _empty_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_the_newest_server_wins_by_number_not_by_letter(tmp_path: Path) -> None:
    for version in ("9", "15", "14"):
        for name in ("initdb", "postgres", "psql"):
            a_program(tmp_path / f"postgresql/{version}/bin/{name}")
    for version in ("3.9.13", "3.10.8"):
        a_program(tmp_path / f"rabbitmq/lib/rabbitmq_server-{version}/sbin/rabbitmq-server")
    a_program(tmp_path / "bin/epmd")
    assert programs.find_postgres(tmp_path).postgres == tmp_path / "postgresql/15/bin/postgres"
    assert "3.10.8" in str(programs.find_rabbitmq(tmp_path).server)


def test_the_server_in_path_goes_first(tmp_path: Path) -> None:
    for folder in ("bin", "postgresql/15/bin"):
        for name in ("initdb", "postgres", "psql"):
            a_program(tmp_path / folder / name)
    assert programs.find_postgres(tmp_path).psql == tmp_path / "bin/psql"


def test_a_client_without_a_server_is_not_enough(tmp_path: Path) -> None:
    a_program(tmp_path / "postgresql/15/bin/psql")
    with pytest.raises(MissingPackageError, match="postgresql"):
        programs.find_postgres(tmp_path)


@pytest.mark.parametrize("action", ["up", "down", "env"])
def test_a_missing_server_is_one_line_with_the_command_that_installs_it(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stack, "find_rabbitmq", lambda: programs.find_rabbitmq(tmp_path))
    monkeypatch.setattr(stack, "find_postgres", lambda: programs.find_postgres(tmp_path))
    assert command_line.main(["stack", action, "--state", str(tmp_path / "state")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "sandbox stack: PostgreSQL is not installed (Debian package postgresql): sudo apt-get install -y postgresql"
    ]


def test_rabbitmq_without_its_port_mapper_names_erlang(tmp_path: Path) -> None:
    a_program(tmp_path / "rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server")
    with pytest.raises(MissingPackageError, match="erlang-base"):
        programs.find_rabbitmq(tmp_path)
