"""The ways in which servers and services can run, as ports: native processes, or Docker Compose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

READY_PATH: Final = "/health/ready"
Transfer = Literal["dump", "restore"]


@dataclass(frozen=True, slots=True)
class Console:
    """The management console of the broker, and who may open it."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One server or service, as `status` shows it. `pid` is None when it does not run, or where that is unknown."""

    name: str
    pid: int | None
    is_ready: bool
    where: str = ""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A program to become: words and the whole environment."""

    words: Sequence[str]
    environment: Mapping[str, str]


class RoadRuntime(Protocol):
    """What the road needs. Every method raises a FeedmillError with one line for people."""

    def start(self) -> None:
        """Start what does not run, but for the fetcher, migrate, and return when everything is ready."""
        ...

    def start_fetcher(self) -> None:
        """Start the fetcher that keeps the schedule and obeys orders; return when it is ready."""
        ...

    def gateway(self) -> tuple[str, int]:
        """Return host and port at which this machine reaches the gateway."""
        ...

    def console(self) -> Console | None:
        """Return the broker's console; None where the broker is not ours."""
        ...

    def make_tokens(self, count: int, *, only_if_none: bool, description: str) -> None:
        """Make access tokens and leave them in the token file; with `only_if_none`, unless any was ever made."""
        ...

    def fetch(self, command: str) -> int:
        """Run a command of the fetcher, such as `initial-load`, in the foreground; return its exit code."""
        ...


class Runtime(RoadRuntime, Protocol):
    """Starts, asks and stops the whole of feedmill."""

    def stop(self) -> list[str]:
        """Stop exactly what `start` started; return the names of what was running. Data stay."""
        ...

    def delete_data(self) -> list[str]:
        """End everything and remove the data of the servers that are ours; return the names of what was running."""
        ...

    def conditions(self) -> list[Condition]:
        """Return how each server and service is."""
        ...

    def command(self, words: Sequence[str]) -> Invocation:
        """Return how one of our commands, such as `fetcher initial-load`, is run here."""
        ...

    def psql(self) -> Invocation:
        """Return how psql is run on the database."""
        ...

    def transfer(self, verb: Transfer, folder: Path, *options: str) -> Invocation:
        """Return how the database is written to a folder of this machine, or taken from one."""
        ...

    def start_database(self) -> None:
        """Start the database alone, if it does not run, so that a dump can be taken into it."""
        ...

    def stop_services(self) -> None:
        """Stop what uses the database."""
        ...

    def logs(self) -> Invocation:
        """Return how the logs are followed."""
        ...
