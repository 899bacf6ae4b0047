"""A streaming replica of the private PostgreSQL, for reads: a hot standby with a slot and a folder of its own."""

from pathlib import Path
from typing import Final

from sandbox.stack.account import Account, database_account
from sandbox.stack.database import Database
from sandbox.stack.errors import StackError
from sandbox.stack.ports import HOST
from sandbox.stack.postgres import PostgresServer
from sandbox.stack.programs import PostgresPrograms
from sandbox.stack.state import REPLICATOR, StateFile

SLOT: Final = "replica"
_STANDBY: Final = """\
primary_conninfo = 'host={host} port={port} user={user} password={password} application_name=replica'
primary_slot_name = '{slot}'
hot_standby_feedback = on
wal_retrieve_retry_interval = 500ms
"""
"""Feedback keeps on the primary what a long read here still needs, so that no vacuum there cancels it."""


class Replica(PostgresServer):
    """The standby of one state folder's database; it lies in that folder and goes with it."""

    name = "replica"

    def __init__(self, file: StateFile, programs: PostgresPrograms, database: Database) -> None:
        super().__init__(file, programs)
        self._database = database

    def start(self) -> None:
        """Copy the database, which must run, if there is no copy that follows it; start it and wait for an answer.

        A copy that was promoted follows nobody any more and is made anew.

        Raises:
            NotReadyError: It ended, or did not answer within 60 s.
            StackError: A command of PostgreSQL failed.
        """
        account = database_account()
        folder = self._folder(account)
        if self.pid is None and not _is_standby(folder, account):
            self._copy(folder, account)
        self._run(folder, account, more=_STANDBY.format(slot=SLOT, host=HOST, **self._primary()))

    def pause(self) -> None:
        """Let it lag: what comes is kept and not applied until `resume`.

        Raises:
            StackError: It does not answer, or follows nobody.
        """
        self._do("SELECT pg_wal_replay_pause()")
        while self._do("SELECT pg_get_wal_replay_pause_state()") != "paused":
            pass

    def resume(self) -> None:
        """Apply what has come, and go on.

        Raises:
            StackError: It does not answer, or follows nobody.
        """
        self._do("SELECT pg_wal_replay_resume()")

    def promote(self) -> None:
        """Make it a primary of its own, beside the one that it followed.

        Raises:
            StackError: It does not answer, or was promoted already.
        """
        if self._do("SELECT pg_promote(true, 60)") != "t":
            raise StackError("the replica was not promoted within 60 s")

    def _folder(self, account: Account) -> Path:
        outer = self._file.state.database_folder
        if outer is None:
            raise StackError("there is no database to copy")
        folder = outer / "replica"
        script = 'umask 077; mkdir -p "$1"'
        made = account.run(["/bin/sh", "-c", script, "sh", str(folder)], environment={"PATH": "/usr/bin:/bin"})
        if made.returncode:
            raise StackError(f"{folder} cannot be made: {made.stderr.strip()}")
        return folder

    def _copy(self, folder: Path, account: Account) -> None:
        """Take a base backup; what `--write-recovery-conf` would write is in `_STANDBY`, for the port may move."""
        self._database.allow_replica(SLOT)
        primary = self._primary()
        address = f"host={HOST} port={primary['port']} user={REPLICATOR} passfile={folder / 'password'}"
        account.run(["/bin/rm", "-rf", str(folder / "data")], environment={"PATH": "/usr/bin:/bin"})
        self._make_cluster(
            folder,
            account,
            [
                *(str(self._programs.pg_basebackup), f"--dbname={address}", f"--pgdata={folder / 'data.new'}"),
                *("--checkpoint=fast", "--wal-method=stream", "--create-slot", f"--slot={SLOT}", "--no-sync"),
            ],
            password=f"{HOST}:{primary['port']}:*:{REPLICATOR}:{primary['password']}",
        )
        account.write(folder / "data" / "standby.signal", "")

    def _primary(self) -> dict[str, str]:
        state = self._file.state
        return {"port": str(self._database.port), "user": REPLICATOR, "password": state.passwords[REPLICATOR]}


def _is_standby(folder: Path, account: Account) -> bool:
    words = ["/bin/sh", "-c", 'test -e "$1"', "sh", str(folder / "data" / "standby.signal")]
    return not account.run(words, environment={"PATH": "/usr/bin:/bin"}).returncode
