"""One PostgreSQL server on loopback, the database or a replica of it: started, asked and ended."""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final, Literal

from sandbox.stack.account import Account
from sandbox.stack.errors import StackError
from sandbox.stack.ports import HOST
from sandbox.stack.process import launch, wait_ready
from sandbox.stack.programs import PostgresPrograms
from sandbox.stack.state import DATABASE_ADMINISTRATOR, StateFile

START_PATIENCE_S: Final = 60.0
STOP_PATIENCE_S: Final = 30.0
StopMode = Literal["fast", "immediate"]
_SIGNALS: Final = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

SETTINGS: Final = """\
# Written anew at each start. What shall last is set by ALTER SYSTEM.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
password_encryption = scram-sha-256
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a@%d '
shared_buffers = 512MB
work_mem = 16MB
maintenance_work_mem = 128MB
dynamic_shared_memory_type = posix
fsync = on
max_wal_size = 4GB
min_wal_size = 256MB
wal_init_zero = off
max_slot_wal_keep_size = 2GB
checkpoint_timeout = 15min
wal_compression = lz4
default_toast_compression = lz4
random_page_cost = 1.1
jit = off
"""

_MAKE_CLUSTER: Final = """\
half=$1 whole=$2 words=$3; shift 3
rm -rf "$half"; "$@" && mv "$half" "$whole"; code=$?
rm -f "$words"; exit $code
"""
"""A cluster has its final name only when it is whole, so a start that was cut off begins again."""


class PostgresServer(ABC):
    """A server of one state folder; its caller holds the folder's lock."""

    name: str
    """What its process and port are called in the state file."""

    def __init__(self, file: StateFile, programs: PostgresPrograms) -> None:
        self._file = file
        self._programs = programs

    @abstractmethod
    def start(self) -> None:
        """Start it where it does not run, and return when it answers.

        Raises:
            NotReadyError: It ended, or did not answer within 60 s.
            StackError: Its folder is not the one that was made, or a command of PostgreSQL failed.
        """

    @property
    def pid(self) -> int | None:
        """The postmaster's process, if it runs."""
        process = self._file.state.processes.get(self.name)
        return process.pid if process and process.is_alive() else None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._file.state.ports[self.name]

    def stop(self, mode: StopMode = "fast") -> None:
        """End it: `fast` rolls back what is open and writes a checkpoint, `immediate` leaves it to crash recovery."""
        process = self._file.state.processes.pop(self.name, None)
        if process:
            process.end(_SIGNALS[mode], patience_s=STOP_PATIENCE_S)
        self._file.save_end()

    def is_ready(self) -> bool:
        """Say whether it answers a query."""
        return not self._psql("SELECT 1").returncode

    def _make_cluster(self, folder: Path, account: Account, command: list[str], *, password: str = "") -> None:
        """Let `command` fill `data.new`; it finds the password of the administrator in the file `password`."""
        half, words = folder / "data.new", folder / "password"
        account.write(words, password + "\n")
        made = account.run(
            ["/bin/sh", "-c", _MAKE_CLUSTER, "sh", str(half), str(folder / "data"), str(words), *command],
            environment=environment(),
        )
        if made.returncode:
            raise StackError(f"{Path(command[0]).name} failed: {last_line(made.stderr)}")

    def _run(self, folder: Path, account: Account, *, more: str = "") -> None:
        """Start it with the settings that all share and `more`, and wait until it answers."""
        if self.pid is None:
            data = folder / "data"
            account.write(data / "postgresql.conf", f"{SETTINGS}port = {self.port}\n{more}")
            # Its process is known to be gone; by now another may have its number, which would stop PostgreSQL.
            account.run(["/bin/rm", "-f", str(data / "postmaster.pid")], environment=environment())
            self._file.state.processes[self.name] = launch(
                [self._programs.postgres, "-D", data],
                environment=environment(),
                folder=folder,
                log=folder / "postgres.log",
                account=account,
            )
            self._file.save()
        process = self._file.state.processes[self.name]
        log = folder / "postgres.log"
        wait_ready(process, self.is_ready, name="PostgreSQL", log=log, patience_s=START_PATIENCE_S)

    def _do(self, statement: str) -> str:
        done = self._psql(statement)
        if done.returncode:
            raise StackError(f"PostgreSQL on port {self.port}: {last_line(done.stderr)}")
        return done.stdout.strip()

    def _psql(self, statement: str) -> subprocess.CompletedProcess[str]:
        address = f"host={HOST} port={self.port} user={DATABASE_ADMINISTRATOR} dbname=postgres connect_timeout=5"
        secret = {"PGPASSWORD": self._file.state.passwords[DATABASE_ADMINISTRATOR]}
        command = [str(self._programs.psql), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-f", "-", address]
        return Account().run(command, environment=environment() | secret, text=statement + ";\n")


def environment() -> dict[str, str]:
    """Return what the programs of PostgreSQL are given: nothing is inherited but where programs are."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def last_line(text: str) -> str:
    """Return the last line that a program has said."""
    return (text.strip().splitlines() or ["no message"])[-1]
