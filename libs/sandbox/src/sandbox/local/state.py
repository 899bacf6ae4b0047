"""What the launcher remembers between two commands: how it started, keys, ports and processes, in one 0600 file."""

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.local.errors import LocalError
from sandbox.stack.errors import FullDiskError
from sandbox.stack.process import ServerProcess
from sandbox.stack.state import write_private

_FILE: Final = "up.json"
SECRET_BYTES: Final = 32


class StartedService(BaseModel):
    """A process, and a digest of all that it was started with; empty for a program that ends by itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    process: ServerProcess
    made_of: str


class LocalState(BaseModel):
    """The content of the state file; what a newer version remembers besides is kept, for who goes back and forth."""

    model_config = ConfigDict(extra="allow")

    runtime: Literal["native", "compose"] | None = None
    """How the last `up` started things; None before the first."""
    upstream: Literal["stand-in", "real"] | None = None
    """Where the offers come from; those of the two never mix."""
    shop: Literal["stand-in", "real"] | None = None
    """The same of the products."""
    stand_in_began: datetime | None = None
    """When the stand-in upstream started first: its world goes on from there, whenever it is started again."""
    secrets: dict[str, str] = {}
    """By name of the environment, made once: `SECRET_KEY`, with Compose also the passwords."""
    ports: dict[str, int] = {}
    services: dict[str, StartedService] = {}


class LocalFolder:
    """The folder `.local` of a clone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = self._read()

    @property
    def tokens(self) -> Path:
        """The file of plain access tokens, one a line."""
        return self.path / "tokens.txt"

    @property
    def logs(self) -> Path:
        """The folder of logs."""
        return self.path / "logs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder and read its state anew: two launchers at once wait for each other.

        Raises:
            LocalError: The folder cannot be written.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            with (self.path / "up.lock").open("w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.state = self._read()
                yield
        except PermissionError as error:
            raise LocalError(f"{error.filename}: {error.strerror}; does it belong to another user?") from error

    def save(self) -> None:
        """Replace the state file as a whole, readable by its owner only; the caller holds the folder."""
        write_private(self.path / _FILE, self.state.model_dump_json(indent=1))

    def save_end(self) -> None:
        """Save that something has ended, where there is room: what runs is asked of the process itself, too."""
        with suppress(FullDiskError):
            self.save()

    def secret(self, name: str) -> str:
        """Return the secret of this name; made at random when it is asked for first."""
        if name not in self.state.secrets:
            self.state.secrets[name] = secrets.token_hex(SECRET_BYTES)
            self.save()
        return self.state.secrets[name]

    def _read(self) -> LocalState:
        path = self.path / _FILE
        try:
            return LocalState.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return LocalState()
        except OSError as error:
            raise LocalError(f"{path}: {error.strerror}") from error
        except ValidationError as error:
            said = f"{path} is broken ({error.error_count()} errors): mend it; it may hold the only copy of SECRET_KEY"
            raise LocalError(f"{said}, without which every token is void") from error
