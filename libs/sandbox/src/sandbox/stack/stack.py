"""The private broker and database of one state folder, as a value to start, ask and stop."""

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from common import topology
from sandbox.stack.broker import PROJECT, Broker
from sandbox.stack.database import DATABASE, Database
from sandbox.stack.errors import StackError
from sandbox.stack.ports import HOST, PREFERRED, choose
from sandbox.stack.programs import find_postgres, find_rabbitmq
from sandbox.stack.state import DATABASE_OWNER, StackState, StateFile

DEFAULT_FOLDER: Final = PROJECT / ".local" / "stack"
HEARTBEAT_S: Final = 30
_BROKER_PORTS: Final = ("amqp", "management", "prometheus", "distribution")


@dataclass(frozen=True, slots=True)
class Vhost:
    """A virtual host with the topology, and the AMQP URL of each user for it."""

    name: str
    urls: Mapping[str, str]
    """User (`fetcher`, `normalizer`, `gateway`, `operator`) → URL with password."""


class Stack:
    """A private RabbitMQ and PostgreSQL.

    All methods block (a broker takes 5 to 10 s to start): call them from a thread where a loop runs. They hold
    the folder's lock only in `up` and `down`; two processes that stop and start one stack by hand must agree.

    Args:
        folder: Where everything of it lies; made by `up`.
        preferred_ports: What to try first, by name as in `ports.PREFERRED`; for a name that is missing, a random one.

    Raises:
        MissingPackageError: RabbitMQ or PostgreSQL is not installed.
        StackError: The state file is not readable.
    """

    def __init__(self, folder: Path = DEFAULT_FOLDER, *, preferred_ports: Mapping[str, int] = PREFERRED) -> None:
        self.folder = folder.absolute()
        self._file = StateFile(self.folder)
        self._preferred = preferred_ports
        self.database = Database(self._file, find_postgres())
        self.broker = Broker(self._file, find_rabbitmq())
        self._file.read()

    @property
    def state(self) -> StackState:
        """What is remembered: ports, passwords, processes."""
        return self._file.state

    def up(self) -> list[str]:
        """Start what does not run, wait until it is ready, and return one line for each server.

        Running servers are left alone; stopped ones come back with their data and, where still free, on their ports.
        What this call started is stopped again when it fails.

        Raises:
            StackError: A server did not get ready, or a folder is not ours.
        """
        with self._file.locked():
            was_running = {"database": self.database.pid, "broker": self.broker.pid}
            self._choose_ports()
            try:
                self.database.start()
                self.broker.start()
            except BaseException:
                self._stop_unless(was_running)
                raise
            return self._summary()

    def down(self) -> list[str]:
        """Stop exactly what `up` started; return the names of what was running."""
        if not self._file.exists:
            return []
        with self._file.locked() as state:
            running = [name for name, process in state.processes.items() if process.is_alive()]
            self.broker.stop()
            self.database.stop()
            return running

    def delete_data(self) -> None:
        """End everything at once and remove every file and folder of this stack."""
        self.broker.kill()
        self.broker.stop()
        self.database.stop("immediate")
        self.database.delete_data()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._file.read()

    def env(self) -> dict[str, str]:
        """Return the variables that point the services here.

        Raises:
            StackError: Nothing was ever started in this folder.
        """
        state = self._file.read()
        if not state.ports:
            raise StackError(f"no stack in {self.folder}: 'sandbox stack up' starts one")
        urls = {f"RABBITMQ_URL_{user.upper()}": url for user, url in self.vhost().urls.items()}
        return {
            "DB_HOST": HOST,
            "DB_PORT": str(state.ports["database"]),
            "DB_USER": DATABASE_OWNER,
            "DB_PASSWORD": state.passwords[DATABASE_OWNER],
            "DB_NAME": DATABASE,
            **urls,
            "RABBITMQ_MANAGEMENT_URL": f"http://{HOST}:{state.ports['management']}",
        }

    def vhost(self, name: str = topology.VHOST) -> Vhost:
        """Return a virtual host that exists, with a URL for each user."""
        return Vhost(name, {user: self._url(user, name) for user in topology.USERS})

    def create_vhost(self, name: str) -> Vhost:
        """Make a virtual host with the same exchanges, queues, policies and permissions as the real one.

        Raises:
            StackError: The broker refuses or does not answer.
        """
        self.broker.management().post("definitions", body=topology.for_vhost(self.broker.definitions(), name))
        return self.vhost(name)

    def delete_vhost(self, name: str) -> None:
        """Remove a virtual host with all that is in it; its connections are closed.

        Raises:
            StackError: The broker does not answer, or there is none of this name.
        """
        self.broker.management().delete("vhosts", name)

    def reset_broker(self, vhost: str = topology.VHOST) -> None:
        """Close every connection to a virtual host and make it anew: empty queues, policies as in the file.

        The console's list of connections is up to 5 s old, so closing what it shows would miss the newest.

        Raises:
            StackError: The broker does not answer, or there is none of this name.
        """
        self.delete_vhost(vhost)
        self.create_vhost(vhost)

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Make a database of the services' role; see `Database.create_database`."""
        self.database.create_database(name, template=template)

    def drop_database(self, name: str) -> None:
        """Remove a database; see `Database.drop_database`."""
        self.database.drop_database(name)

    def _choose_ports(self) -> None:
        ports = self.state.ports
        running = set()
        if self.database.pid:
            running.add("database")
        if self.broker.pid:
            running.update(_BROKER_PORTS)
        if (epmd := self.state.processes.get("epmd")) and epmd.is_alive():
            running.add("epmd")
        for name in PREFERRED:
            if name not in running:
                others = [port for other, port in ports.items() if other != name]
                ports[name] = choose(ports.get(name, self._preferred.get(name)), others)
        self._file.save()

    def _stop_unless(self, was_running: Mapping[str, int | None]) -> None:
        if not was_running["broker"]:
            self.broker.stop()
        if not was_running["database"]:
            self.database.stop()

    def _summary(self) -> list[str]:
        ports, password = self.state.ports, self.state.passwords["operator"]
        moved = {name for name, port in ports.items() if port != self._preferred.get(name, port)}

        def said(name: str) -> str:
            return f"{ports[name]}" + (f" ({self._preferred[name]} was taken)" if name in moved else "")

        return [
            f"PostgreSQL on {HOST}:{said('database')}, pid {self.database.pid}",
            f"RabbitMQ on {HOST}:{said('amqp')}, pid {self.broker.pid}",
            f"RabbitMQ console http://{HOST}:{said('management')}, user operator, password {password}",
            f"RabbitMQ metrics http://{HOST}:{said('prometheus')}/metrics",
        ]

    def _url(self, user: str, vhost: str) -> str:
        password, port = self.state.passwords[user], self.state.ports["amqp"]
        return f"amqp://{user}:{password}@{HOST}:{port}/{quote(vhost, safe='')}?heartbeat={HEARTBEAT_S}"


def shell_lines(variables: Mapping[str, str]) -> list[str]:
    """Return one `export NAME=value` for each variable, quoted for a shell."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
