"""What the stack remembers between two commands: passwords, ports, places and processes, in one 0600 file."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from common.settings import SERVICE_PASSWORDS, role_of
from common.topology import USERS
from sandbox.stack.errors import FullDiskError, StackError
from sandbox.stack.process import ServerProcess

BROKER_ADMINISTRATOR: Final = "stack"
DATABASE_ADMINISTRATOR: Final = "postgres"
DATABASE_OWNER: Final = "feedmill"
REPLICATOR: Final = "feedmill_replica"
DATABASE_ROLES: Final = tuple(map(role_of, SERVICE_PASSWORDS))
SECRET_NAMES: Final = (
    *(*USERS, BROKER_ADMINISTRATOR, DATABASE_ADMINISTRATOR, DATABASE_OWNER, *DATABASE_ROLES),
    REPLICATOR,
)
_FILE: Final = "stack.json"


class StackState(BaseModel):
    """The content of the state file; what a newer version remembers besides is kept, for who goes back and forth."""

    model_config = ConfigDict(extra="allow")

    passwords: dict[str, str] = {}
    ports: dict[str, int] = {}
    brokers: Literal[1, 3] = 1
    """Nodes of RabbitMQ."""
    database_folder: Path | None = None
    processes: dict[str, ServerProcess] = {}


class StateFile:
    """The state file of one folder; `state` is what was read last or is to be saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = StackState()

    @property
    def exists(self) -> bool:
        """Whether a stack was ever started here."""
        return (self.folder / _FILE).exists()

    @contextmanager
    def locked(self) -> Iterator[StackState]:
        """Make the folder, hold its lock, read the state, and make up what passwords are missing.

        Raises:
            StackError: The folder is not ours, or the file in it is not ours or broken.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.read()
                missing = [name for name in SECRET_NAMES if name not in self.state.passwords]
                if missing:
                    self.state.passwords.update({name: secrets.token_hex(16) for name in missing})
                    self.save()
                yield self.state
        except PermissionError as error:
            raise StackError(f"{error.filename}: {error.strerror}; does the folder belong to another user?") from error

    def read(self) -> StackState:
        """Read the file; an absent one is empty.

        Raises:
            StackError: It cannot be read or is broken.
        """
        path = self.folder / _FILE
        try:
            self.state = StackState.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            self.state = StackState()
        except OSError as error:
            raise StackError(f"{path}: {error.strerror}") from error
        except ValidationError as error:
            said = f"{path} is broken ({error.error_count()} errors): mend it, it holds the only passwords of the data"
            raise StackError(f"{said} in its folder") from error
        return self.state

    def save(self) -> None:
        """Replace the file at once, readable by its owner only.

        Raises:
            FullDiskError: There is no room for it.
        """
        write_private(self.folder / _FILE, self.state.model_dump_json(indent=1))

    def save_end(self) -> None:
        """Save that something has ended, where there is room: what runs is asked of the process itself, too."""
        with suppress(FullDiskError):
            self.save()


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that its owner alone can read, from its first byte on.

    Raises:
        FullDiskError: There is no room for it.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        if error.errno in {ENOSPC, EDQUOT}:
            raise FullDiskError(f"{path} cannot be written: {error.strerror}") from error
        raise
    new.replace(path)
