"""One private PostgreSQL cluster on loopback."""

import shutil
from pathlib import Path
from typing import Final

from sandbox.stack.account import Account, check_private_folder, database_account, make_private_folder
from sandbox.stack.errors import StackError
from sandbox.stack.postgres import PostgresServer
from sandbox.stack.state import DATABASE_ADMINISTRATOR, DATABASE_OWNER, DATABASE_ROLES, REPLICATOR

DATABASE: Final = "feedmill"

_INITDB: Final = (
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--lc-collate=C",  # bytes in order: the fastest comparison, and the same on every machine
    "--auth=scram-sha-256",
    f"--username={DATABASE_ADMINISTRATOR}",
)

_ROLE_EXISTS: Final = "SELECT 1 FROM pg_roles WHERE rolname = '{name}'"
_DATABASE_EXISTS: Final = "SELECT 1 FROM pg_database WHERE datname = '{name}'"
_FREE_SLOT: Final = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'"


class Database(PostgresServer):
    """The PostgreSQL of one state folder; its caller holds the folder's lock."""

    name = "database"

    def start(self) -> None:
        """Make the cluster if there is none, start it, and return when it answers a query and has role and database.

        Raises:
            NotReadyError: It ended, or did not answer within 60 s.
            StackError: The folder is not the one that was made, or a command of PostgreSQL failed.
        """
        account = database_account()
        folder = self._own_folder(account)
        if not account.can_work_in(folder / "data"):
            password = self._file.state.passwords[DATABASE_ADMINISTRATOR]
            half, words = folder / "data.new", folder / "password"
            command = [str(self._programs.initdb), f"--pgdata={half}", f"--pwfile={words}", *_INITDB]
            self._make_cluster(folder, account, command, password=password)
        self._run(folder, account)
        self._make_roles()

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

    def allow_replica(self, slot: str) -> None:
        """Make the role that a replica connects as, and let nothing stand where its slot shall be.

        Raises:
            StackError: The cluster does not answer, or a replica uses the slot.
        """
        if not self._do(_ROLE_EXISTS.format(name=REPLICATOR)):
            self._do(f"CREATE ROLE {REPLICATOR} LOGIN REPLICATION PASSWORD '{self._file.state.passwords[REPLICATOR]}'")
        self._do(_FREE_SLOT.format(name=_plain(slot)))

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

    def _make_roles(self) -> None:
        missing = [name for name in (DATABASE_OWNER, *DATABASE_ROLES) if not self._do(_ROLE_EXISTS.format(name=name))]
        for name in missing:
            self._do(f"CREATE ROLE {name} LOGIN PASSWORD '{self._file.state.passwords[name]}'")
        if not self._do(_DATABASE_EXISTS.format(name=DATABASE)):
            self.create_database(DATABASE)


def _plain(name: str) -> str:
    if not name.replace("_", "").isalnum():
        raise StackError(f"{name!r} is no name for a database: letters, digits and _ only")
    return name
