"""Where the servers' programs are on this machine."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.stack.errors import MissingPackageError

LIBRARY: Final = Path("/usr/lib")
"""Where Debian's packages put programs that are not in PATH."""


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The programs of one PostgreSQL version."""

    initdb: Path
    postgres: Path
    psql: Path

    @property
    def pg_basebackup(self) -> Path:
        """What copies a running cluster; it comes with the client."""
        return self.psql.with_name("pg_basebackup")


@dataclass(frozen=True, slots=True)
class RabbitPrograms:
    """RabbitMQ's own start script (the one in PATH switches users) and Erlang's port mapper."""

    server: Path
    epmd: Path


def find_postgres(library: Path = LIBRARY) -> PostgresPrograms:
    """Return the PostgreSQL in PATH, or the newest of Debian's.

    Raises:
        MissingPackageError: There is none, or it is a client only.
    """
    in_path = shutil.which("initdb")
    folders = [Path(in_path).resolve().parent] if in_path else []
    folders += sorted((library / "postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in folders:
        found = PostgresPrograms(folder / "initdb", folder / "postgres", folder / "psql")
        if all(_runs(program) for program in (found.initdb, found.postgres, found.psql)):
            return found
    raise MissingPackageError("PostgreSQL", "postgresql")


def find_rabbitmq(library: Path = LIBRARY) -> RabbitPrograms:
    """Return the newest RabbitMQ and its port mapper.

    Raises:
        MissingPackageError: One of the two is not here.
    """
    servers = sorted((library / "rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), key=_version)
    epmd = shutil.which("epmd")
    if not servers or not _runs(servers[-1]):
        raise MissingPackageError("RabbitMQ", "rabbitmq-server")
    if not epmd:
        raise MissingPackageError("Erlang", "erlang-base")
    return RabbitPrograms(servers[-1], Path(epmd))


def _version(path: Path) -> list[int]:
    named = next(part for part in reversed(path.parts) if part[-1].isdigit())
    return [int(number) for number in named.rpartition("-")[2].split(".") if number.isdigit()]


def _runs(program: Path) -> bool:
    return program.is_file() and os.access(program, os.X_OK)
