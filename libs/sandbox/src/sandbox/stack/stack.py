"""The private broker and database of one state folder, as a value to start, ask and stop."""

import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from common import topology
from common.settings import SERVICE_PASSWORDS, role_of
from sandbox.stack.broker import PROJECT, Broker
from sandbox.stack.database import DATABASE, Database
from sandbox.stack.errors import StackError
from sandbox.stack.node import PROCESS
from sandbox.stack.ports import HOST, PREFERRED, choose, ports_of, suffix
from sandbox.stack.programs import find_postgres, find_rabbitmq
from sandbox.stack.replica import Replica
from sandbox.stack.state import DATABASE_OWNER, StackState, StateFile

DEFAULT_FOLDER: Final = PROJECT / ".local" / "stack"
HEARTBEAT_S: Final = 30
SERVERS: Final = ("database", "broker")
REPLICA: Final = "replica"
_ALL: Final = ("database", REPLICA, "broker")
MOST_BROKERS: Final = 3
_NAMES: Final = {"database": "PostgreSQL", REPLICA: "PostgreSQL replica"}


@dataclass(frozen=True, slots=True)
class Vhost:
    """A virtual host with the topology, and the AMQP URL of each user for it."""

    name: str
    urls: Mapping[str, str]
    """User (`fetcher`, `normalizer`, `gateway`, `operator`) → URL with password."""


class Stack:
    """A private RabbitMQ and PostgreSQL.

    All methods block (a broker takes 5 to 10 s to start): call them from a thread where a loop runs. Only `up`, `down`
    and `delete_data` hold the folder's lock; two processes that stop and start single servers of one stack must agree.

    Args:
        folder: Where everything of it lies; made by `up`.
        preferred_ports: What to try first, by name as in `ports.PREFERRED`; for a name that is missing, a random one.
        servers: Which of `SERVERS`, and whether `REPLICA` (of the database, which it needs), `up` starts; the program
            of another need not be installed.
        brokers: Nodes of RabbitMQ, 1 or 3; None: as many as the folder has, and 1 in a new one.

    Raises:
        MissingPackageError: RabbitMQ or PostgreSQL is not installed.
        StackError: The state file is not readable.
    """

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        *,
        preferred_ports: Mapping[str, int] = PREFERRED,
        servers: Collection[str] = SERVERS,
        brokers: Literal[1, 3] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self._file = StateFile(self.folder)
        self._preferred = preferred_ports
        self._brokers = brokers
        self._servers = {name: self._server(name) for name in _ALL if name in servers}
        self._file.read()

    @cached_property
    def database(self) -> Database:
        """The PostgreSQL of this stack."""
        return Database(self._file, find_postgres())

    @cached_property
    def replica(self) -> Replica:
        """The replica of this stack's PostgreSQL."""
        return Replica(self._file, find_postgres(), self.database)

    @cached_property
    def broker(self) -> Broker:
        """The RabbitMQ of this stack."""
        return Broker(self._file, find_rabbitmq())

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
            was_running = {name for name, server in self._servers.items() if server.pid}
            self._settle_brokers()
            self._choose_ports()
            try:
                self._start()
            except BaseException:
                for name in self._servers.keys() - was_running:
                    self._servers[name].stop()
                raise
            return self._summary()

    def down(self) -> list[str]:
        """Stop exactly what `up` started; return the names of what was running."""
        if not self._file.exists:
            return []
        with self._file.locked() as state:
            running = self._running()
            for name in reversed(_ALL):
                if name in self._servers or name in state.processes:
                    self._server(name).stop()
            return running

    def delete_data(self) -> list[str]:
        """End everything at once and remove every file and folder of this stack; return what was running."""
        with self._file.locked():
            running = self._running()
            self.broker.kill()
            self.broker.stop()
            self.replica.stop("immediate")
            self.database.stop("immediate")
            self.database.delete_data()
            shutil.rmtree(self.folder, ignore_errors=True)
        self._file.read()
        return running

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
            **{name: state.passwords.get(role_of(service), "") for service, name in SERVICE_PASSWORDS.items()},
            **({"DB_READ_HOST": HOST, "DB_READ_PORT": str(state.ports[REPLICA])} if REPLICA in state.processes else {}),
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

    def _running(self) -> list[str]:
        return [name for name, process in self.state.processes.items() if process.is_alive()]

    def _server(self, name: str) -> Database | Replica | Broker:
        if name == REPLICA:
            return self.replica
        return self.database if name == "database" else self.broker

    def _start(self) -> None:
        """Start all; the broker takes longest and boots while the database is made."""
        if "broker" in self._servers:
            self.broker.launch()
        for name, server in self._servers.items():
            if name != "broker":
                server.start()
        if "broker" in self._servers:
            self.broker.wait()

    def _settle_brokers(self) -> None:
        wanted = self._brokers or self.state.brokers
        if wanted != self.state.brokers and self.state.ports:
            raise StackError(
                f"{self.folder} has {self.state.brokers} RabbitMQ, not {wanted}:"
                " another --state, or 'sandbox stack down --delete-data' first"
            )
        self.state.brokers = wanted

    def _choose_ports(self) -> None:
        ports = self.state.ports
        running = set(self._running())
        unused: set[str] = set() if REPLICA in self._servers else {REPLICA}
        for node in range(1, MOST_BROKERS + 1):
            if node > self.state.brokers:
                unused |= ports_of(node)
            elif PROCESS + suffix(node) in running:
                running |= ports_of(node)
        for name in PREFERRED:
            if name not in running | unused:
                others = [port for other, port in ports.items() if other != name]
                ports[name] = choose(ports.get(name, self._preferred.get(name)), others)
        self._file.save()

    def _summary(self) -> list[str]:
        ports, password = self.state.ports, self.state.passwords["operator"]
        moved = {name for name, port in ports.items() if port != self._preferred.get(name, port)}

        def taken(name: str) -> str:
            return f" ({self._preferred[name]} was taken)" if name in moved else ""

        def said(name: str) -> str:
            return f"{ports[name]}{taken(name)}"

        def lines_of(server: str) -> Iterator[str]:
            if server != "broker":
                yield f"{_NAMES[server]} on {HOST}:{said(server)}, pid {self._pid_of(server)}"
                return
            for node in self._broker_suffixes():
                yield f"RabbitMQ on {HOST}:{said('amqp' + node)}, pid {self._pid_of(PROCESS + node)}"
                yield f"RabbitMQ console http://{HOST}:{said('management' + node)}, user operator, password {password}"
                metrics = "prometheus" + node
                yield f"RabbitMQ metrics http://{HOST}:{ports[metrics]}/metrics{taken(metrics)}"

        return [line for server in self._servers for line in lines_of(server)]

    def _broker_suffixes(self) -> list[str]:
        return [suffix(node + 1) for node in range(self.state.brokers)]

    def _pid_of(self, process: str) -> int | None:
        known = self.state.processes.get(process)
        return known.pid if known and known.is_alive() else None

    def _url(self, user: str, vhost: str) -> str:
        nodes = ",".join(f"{HOST}:{self.state.ports['amqp' + node]}" for node in self._broker_suffixes())
        password = self.state.passwords[user]
        return f"amqp://{user}:{password}@{nodes}/{quote(vhost, safe='')}?heartbeat={HEARTBEAT_S}"


def shell_lines(variables: Mapping[str, str]) -> list[str]:
    """Return one `export NAME=value` for each variable, quoted for a shell."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
