"""The database's folder is private, its own user's, and where that user can reach it."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from sandbox.stack import StackError, account
from sandbox.stack.account import Account, check_private_folder, make_private_folder

pytestmark = pytest.mark.unit

OURSELVES = Account()
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def other() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def test_a_new_folder_is_private_and_kept(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "data", OURSELVES)
    assert folder == tmp_path / "data"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert make_private_folder(tmp_path / "data", OURSELVES) == folder


def test_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(StackError, match="refused"):
        check_private_folder(tmp_path, OURSELVES)


def test_a_link_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StackError, match="refused"):
        make_private_folder(tmp_path / "link", OURSELVES)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"gone: No such file"):
        check_private_folder(tmp_path / "gone", OURSELVES)


@as_root
def test_a_folder_of_another_user_is_refused(tmp_path: Path, other: Account) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with pytest.raises(StackError, match=f"belongs to user id {other.uid}"):
        make_private_folder(folder, other)


@as_root
def test_behind_a_closed_folder_the_data_goes_to_a_fresh_place_that_its_user_can_enter(
    tmp_path: Path, other: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folder = make_private_folder(closed / "data", other)
    try:
        assert folder.parent == account.SHARED_PLACES[0]
        assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (other.uid, 0o700)
        assert list(closed.iterdir()) == []
    finally:
        folder.rmdir()
    monkeypatch.setattr(account, "SHARED_PLACES", (closed,))
    with pytest.raises(StackError, match="no folder for the database"):
        make_private_folder(closed / "data", other)


def test_a_file_is_written_for_its_user_only(tmp_path: Path) -> None:
    OURSELVES.write(tmp_path / "file", "a 'quoted' $text\n")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "a 'quoted' $text\n"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no/file cannot be written"):
        OURSELVES.write(tmp_path / "no/file", "")


@as_root
def test_a_command_of_another_user_inherits_neither_groups_nor_environment(
    other: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ_NODENAME", "somebody")
    shown = other.run(["/bin/sh", "-c", "id -u; id -G; env"], environment={"PATH": os.defpath}).stdout
    assert shown.splitlines()[:2] == [str(other.uid), str(other.gid)]
    assert "RABBITMQ" not in shown
