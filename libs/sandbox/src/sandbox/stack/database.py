"""One private PostgreSQL cluster on loopback."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final, Literal

from sandbox.stack.account import Account, check_private_folder, database_account, make_private_folder
from sandbox.stack.errors import StackError
from sandbox.stack.ports import HOST
from sandbox.stack.process import launch, wait_ready
from sandbox.stack.programs import PostgresPrograms
from sandbox.stack.state import DATABASE_ADMINISTRATOR, DATABASE_OWNER, DATABASE_ROLES, StateFile

DATABASE: Final = "feedmill"
START_PATIENCE_S: Final = 60.0
STOP_PATIENCE_S: Final = 30.0
StopMode = Literal["fast", "immediate"]
_SIGNALS: Final = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

_SETTINGS: Final = """\
# Written anew at each start. What shall last is set by ALTER SYSTEM.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
password_encryption = scram-sha-256
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a@%d '
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
dynamic_shared_memory_type = posix
fsync = on
max_wal_size = 4GB
min_wal_size = 256MB
checkpoint_timeout = 15min
wal_compression = lz4
default_toast_compression = lz4
random_page_cost = 1.1
jit = off
"""

_INITDB: Final = (
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--lc-collate=C",  # bytes in order: the fastest comparison, and the same on every machine
    "--auth=scram-sha-256",
    f"--username={DATABASE_ADMINISTRATOR}",
)

_MAKE_CLUSTER: Final = """\
half=$1 whole=$2 words=$3; shift 3
rm -rf "$half"; "$@" && mv "$half" "$whole"; code=$?
rm -f "$words"; exit $code
"""
"""A cluster has its final name only when it is whole, so a start that was cut off begins again."""

_ROLE_EXISTS: Final = "SELECT 1 FROM pg_roles WHERE rolname = '{name}'"
_DATABASE_EXISTS: Final = "SELECT 1 FROM pg_database WHERE datname = '{name}'"


class Database:
    """The PostgreSQL of one state folder; its caller holds the folder's lock."""

    def __init__(self, file: StateFile, programs: PostgresPrograms) -> None:
        self._file = file
        self._programs = programs

    @property
    def pid(self) -> int | None:
        """The postmaster's process, if it runs."""
        process = self._file.state.processes.get("database")
        return process.pid if process and process.is_alive() else None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._file.state.ports["database"]

    def start(self) -> None:
        """Make the cluster if there is none, start it, and return when it answers a query and has role and database.

        Raises:
            NotReadyError: It ended, or did not answer within 60 s.
            StackError: The folder is not the one that was made, or a command of PostgreSQL failed.
        """
        account = database_account()
        folder = self._own_folder(account)
        if not account.can_work_in(folder / "data"):
            self._make_cluster(folder, account)
        if self.pid is None:
            self._launch(folder, account)
        process = self._file.state.processes["database"]
        log = folder / "postgres.log"
        wait_ready(process, self.is_ready, name="PostgreSQL", log=log, patience_s=START_PATIENCE_S)
        self._make_roles()

    def stop(self, mode: StopMode = "fast") -> None:
        """End it: `fast` rolls back what is open and writes a checkpoint, `immediate` leaves it to crash recovery."""
        process = self._file.state.processes.pop("database", None)
        if process:
            process.end(_SIGNALS[mode], patience_s=STOP_PATIENCE_S)
        self._file.save()

    def is_ready(self) -> bool:
        """Say whether it answers a query."""
        return not self._psql("SELECT 1").returncode

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Make a database that belongs to the services' role: empty, or a copy of `template` with its rows.

        Raises:
            StackError: It exists already, somebody is connected to the template, or the cluster does not answer.
        """
        self._do(f'CREATE DATABASE "{_plain(name)}" OWNER {DATABASE_OWNER} TEMPLATE "{_plain(template)}"')

    def drop_database(self, name: str) -> None:
        """Remove a database and whoever is connected to it; an absent one is no error.

        Raises:
            StackError: The cluster does not answer.
        """
        self._do(f'DROP DATABASE IF EXISTS "{_plain(name)}" WITH (FORCE)')

    def delete_data(self) -> None:
        """Remove the cluster, wherever it is; it must be stopped."""
        folder = self._file.state.database_folder
        if folder and folder.exists():
            check_private_folder(folder, database_account())
            shutil.rmtree(folder)

    def _own_folder(self, account: Account) -> Path:
        folder = self._file.state.database_folder
        if folder is None:
            folder = make_private_folder(self._file.folder / "postgres", account)
            self._file.state.database_folder = folder
            self._file.save()
        check_private_folder(folder, account)
        if not account.can_work_in(folder):
            raise StackError(f"{folder} cannot be entered by user id {account.owner}, who runs the database")
        return folder

    def _make_cluster(self, folder: Path, account: Account) -> None:
        half, words = folder / "data.new", folder / "password"
        account.write(words, self._file.state.passwords[DATABASE_ADMINISTRATOR] + "\n")
        command = [str(self._programs.initdb), f"--pgdata={half}", f"--pwfile={words}", *_INITDB]
        made = account.run(
            ["/bin/sh", "-c", _MAKE_CLUSTER, "sh", str(half), str(folder / "data"), str(words), *command],
            environment=_environment(),
        )
        if made.returncode:
            raise StackError(f"initdb failed: {_last_line(made.stderr)}")

    def _launch(self, folder: Path, account: Account) -> None:
        data = folder / "data"
        account.write(data / "postgresql.conf", _SETTINGS + f"port = {self.port}\n")
        # Its process is known to be gone; by now another may have its number, which would stop PostgreSQL.
        account.run(["/bin/rm", "-f", str(data / "postmaster.pid")], environment=_environment())
        self._file.state.processes["database"] = launch(
            [self._programs.postgres, "-D", data],
            environment=_environment(),
            folder=folder,
            log=folder / "postgres.log",
            account=account,
        )
        self._file.save()

    def _make_roles(self) -> None:
        missing = [name for name in (DATABASE_OWNER, *DATABASE_ROLES) if not self._do(_ROLE_EXISTS.format(name=name))]
        for name in missing:
            self._do(f"CREATE ROLE {name} LOGIN PASSWORD '{self._file.state.passwords[name]}'")
        if not self._do(_DATABASE_EXISTS.format(name=DATABASE)):
            self.create_database(DATABASE)

    def _do(self, statement: str) -> str:
        done = self._psql(statement)
        if done.returncode:
            raise StackError(f"PostgreSQL on port {self.port}: {_last_line(done.stderr)}")
        return done.stdout.strip()

    def _psql(self, statement: str) -> subprocess.CompletedProcess[str]:
        address = f"host={HOST} port={self.port} user={DATABASE_ADMINISTRATOR} dbname=postgres connect_timeout=5"
        environment = {**_environment(), "PGPASSWORD": self._file.state.passwords[DATABASE_ADMINISTRATOR]}
        command = [str(self._programs.psql), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-f", "-", address]
        return Account().run(command, environment=environment, text=statement + ";\n")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _plain(name: str) -> str:
    if not name.replace("_", "").isalnum():
        raise StackError(f"{name!r} is no name for a database: letters, digits and _ only")
    return name


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
