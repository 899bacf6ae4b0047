"""What the stack remembers survives, and only its owner can read it."""

import json
import stat
from pathlib import Path

import pytest

from sandbox import __main__ as command_line
from sandbox.stack import StackError, stack
from sandbox.stack.programs import PostgresPrograms, RabbitPrograms
from sandbox.stack.stack import shell_lines
from sandbox.stack.state import SECRET_NAMES, StateFile, write_private

pytestmark = pytest.mark.unit

NOWHERE = Path("/nonexistent")


@pytest.fixture(autouse=True)
def _without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is started here, so none need be installed."""
    monkeypatch.setattr(stack, "find_postgres", lambda: PostgresPrograms(NOWHERE, NOWHERE, NOWHERE))
    monkeypatch.setattr(stack, "find_rabbitmq", lambda: RabbitPrograms(NOWHERE, NOWHERE))


def test_passwords_are_made_once_and_are_all_different(tmp_path: Path) -> None:
    with StateFile(tmp_path / "new/folder").locked() as first:
        assert set(first.passwords) == set(SECRET_NAMES)
        assert len(set(first.passwords.values())) == len(SECRET_NAMES)
        assert min(map(len, first.passwords.values())) >= 32
    with StateFile(tmp_path / "new/folder").locked() as second:
        assert second == first


def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    with StateFile(tmp_path).locked():
        assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600


def test_a_private_file_replaces_an_open_one_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("untouched", encoding="ascii")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    write_private(tmp_path / "file", "secret")
    assert (tmp_path / "target").read_text(encoding="ascii") == "untouched"
    assert stat.S_IMODE((tmp_path / "file").lstat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", '{"passwords": 1}'])
def test_a_broken_file_is_named_and_nobody_is_told_to_remove_the_data_with_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text, encoding="ascii")
    with pytest.raises(StackError, match=r"stack\.json is broken .*: mend it, .*only passwords of the data") as raised:
        StateFile(tmp_path).read()
    assert "remove" not in str(raised.value)


def test_what_a_newer_version_remembers_is_kept_by_an_older_one(tmp_path: Path) -> None:
    known = {"passwords": {"fetcher": "abc"}, "of_tomorrow": {"a": [1]}}
    (tmp_path / "stack.json").write_text(json.dumps(known), encoding="ascii")
    with StateFile(tmp_path).locked() as state:
        assert state.passwords["fetcher"] == "abc"
    assert json.loads((tmp_path / "stack.json").read_text(encoding="ascii"))["of_tomorrow"] == {"a": [1]}


def test_variables_are_quoted_for_a_shell() -> None:
    assert shell_lines({"A": "1", "URL": "amqp://u:p@h/v?x=1&y"}) == ["export A=1", "export URL='amqp://u:p@h/v?x=1&y'"]


def test_env_before_up_is_one_line_on_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["stack", "env", "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"sandbox stack: no stack in {tmp_path}: 'sandbox stack up' starts one\n"


def test_down_before_up_is_no_error_and_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["stack", "down", "--state", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == "nothing was running\n"
    assert not (tmp_path / "none").exists()


def test_an_unknown_action_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["stack", "sideways"])
    assert stopped.value.code == 2
