"""The whole of feedmill as processes of this machine, beside a private broker and database."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from common import topology
from common.clock import Clock
from common.definitions import password_name
from common.settings import SERVICE_PASSWORDS, role_of
from sandbox.local.children import OWNER_ONLY, Children
from sandbox.local.console import last_error, passed_on, say
from sandbox.local.errors import LocalError
from sandbox.local.http_probe import answers
from sandbox.local.runtime import READY_PATH, Condition, Console, Invocation, Transfer
from sandbox.local.services import LOOPBACK, Service, program, upstream_command, upstream_url, upstream_variables
from sandbox.local.state import LocalFolder
from sandbox.local.surroundings import Surroundings
from sandbox.stack import Stack, StackError
from sandbox.stack.ports import choose, is_free
from sandbox.stack.programs import find_postgres

UPSTREAM_PORT: Final = 8168
NOT_STARTED: Final = "nothing runs here: make up"
STOPPED: Final = "not running: make up starts what is missing"
_SERVERS: Final = {"database": "PostgreSQL", "broker": "RabbitMQ"}
_NEEDED: Final = {"gateway": ("database",), "feedmill": ("database",)}
"""The servers that a command asks, where these are not both."""
_DOCTOR: Final = ("feedmill", "doctor")
_SERVICES: Final = ("upstream", "normalizer", "gateway", "fetcher")
_FETCHING: Final = "fetching"
"""A command of the fetcher in the foreground, beside the fetcher that keeps running."""

_DATABASE_NAMES: Final = ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME")
_OF_THE_OWNER: Final = frozenset({"tokens"})
"""Commands of a service that its own role may not do."""
_PSQL_NAMES: Final = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")


class NativeRuntime:
    """Runtime on private native servers; what the surroundings bring is used as it is and not started."""

    def __init__(self, root: Path, folder: LocalFolder, around: Surroundings, *, clock: Clock) -> None:
        self._root = root
        self._folder = folder
        self._around = around
        self._clock = clock
        self._children = Children(root, folder, clock=clock)
        brought = {"database": around.brings_database, "broker": around.brings_broker}
        self._servers = [name for name in _SERVERS if not brought[name]]

    @cached_property
    def _stack(self) -> Stack:
        return Stack(self._folder.path / "stack", servers=self._servers)

    def start(self) -> None:
        """See Runtime.

        Raises:
            LocalError: A service did not get ready, or the database could not be migrated.
            StackError: The broker or the database did not get ready.
        """
        if self._servers:
            if stopped := self._stopped(self._servers):
                say(f"starting {stopped}")
            for line in self._stack.up():
                say(line)
        self._call("feedmill", "migrate")
        self._choose_port("gateway", self._around.gateway.port)
        if not self._around.brings_upstream:
            self._choose_port("upstream", UPSTREAM_PORT)
            self._folder.state.stand_in_began = self._folder.state.stand_in_began or self._clock.now()
            self._folder.save()
        runs_fetcher = self._children.is_alive("fetcher")
        self._children.bring_up([one for one in self._services() if one.name != "fetcher" or runs_fetcher])

    def start_fetcher(self) -> None:
        """See Runtime.

        Raises:
            LocalError: It did not get ready.
        """
        self._children.bring_up(self._services())

    def stop(self) -> list[str]:
        """See Runtime."""
        return self._ended(Stack.down)

    def delete_data(self) -> list[str]:
        """See Runtime; the servers are not asked to end in order, which would take a broker 5 s."""
        return self._ended(Stack.delete_data)

    def conditions(self) -> list[Condition]:
        """See Runtime."""
        if not self._has_servers():
            return [Condition(name, None, is_ready=False) for name in (*_SERVERS.values(), *_SERVICES)]
        return [*self._server_conditions(), *(self._children.condition(service) for service in self._services())]

    def gateway(self) -> tuple[str, int]:
        """See Runtime."""
        return self._around.gateway.reachable_host, self._port("gateway")

    def console(self) -> Console | None:
        """See Runtime."""
        if "broker" not in self._servers:
            return None
        url = self._stack.env()["RABBITMQ_MANAGEMENT_URL"]
        return Console(url, "operator", self._stack.state.passwords["operator"])

    def make_tokens(self, count: int, *, only_if_none: bool, description: str) -> None:
        """See Runtime."""
        words = ["--count", str(count), "--description", description, "--file", str(self._folder.tokens)]
        self._call("gateway", "tokens", "create", *words, *(["--if-none"] if only_if_none else []))

    def fetch(self, command: str) -> int:
        """See Runtime; a fetcher that an interrupted launcher left behind is waited for."""
        if self._children.is_alive(_FETCHING):
            say(f"a fetcher runs already, waiting for its end; it writes to {self._log_of('fetcher')}")
            self._children.wait_for_end(_FETCHING)
        fetching = self.command(["fetcher", command])
        return self._children.run(_FETCHING, fetching.words, fetching.environment)

    def command(self, words: Sequence[str]) -> Invocation:
        """See Runtime.

        Raises:
            LocalError: There is no such command, or what it needs does not run.
        """
        name = words[0]
        path = Path(program(name))
        if not path.is_file():
            raise LocalError(f"no command {name!r} in {path.parent}")
        self._check_servers(() if tuple(words[:2]) == _DOCTOR else _NEEDED.get(name, tuple(_SERVERS)))
        if name == "fetcher" and not self._around.brings_upstream and not self._children.is_alive("upstream"):
            raise LocalError(f"the stand-in upstream {STOPPED}")
        return Invocation([str(path), *words[1:]], self._environment(*words[:2]))

    def psql(self) -> Invocation:
        """See Runtime.

        Raises:
            LocalError: The database does not run.
        """
        self._check_servers(("database",))
        database = self._around.database
        values = [database.host, str(database.port), database.user, database.password.get_secret_value(), database.name]
        if "database" in self._servers:
            values = [self._stack.env()[name] for name in _DATABASE_NAMES]
        variables = dict(zip(_PSQL_NAMES, values, strict=True))
        program_path = shutil.which("psql") or str(find_postgres().psql)
        return Invocation([program_path], {**self._around.environment, **variables})

    def transfer(self, verb: Transfer, folder: Path, *options: str) -> Invocation:
        """See Runtime; the broker need not run.

        Raises:
            LocalError: The database does not run.
        """
        self._check_servers(("database",))
        return Invocation([program("feedmill"), verb, str(folder), *options], self._environment("feedmill"))

    def start_database(self) -> None:
        """See Runtime.

        Raises:
            StackError: It did not get ready.
        """
        if "database" in self._servers:
            Stack(self._folder.path / "stack", servers=("database",)).up()

    def stop_services(self) -> None:
        """See Runtime."""
        if ended := self._children.stop_all():
            say(f"stopped: {', '.join(ended)}")

    def logs(self) -> Invocation:
        """See Runtime.

        Raises:
            LocalError: There are none yet.
        """
        files = [self._log_of(name) for name in _SERVICES]
        present = [str(path) for path in files if path.exists()]
        if not present:
            raise LocalError(NOT_STARTED)
        return Invocation(["tail", "-n", "20", "-F", *present], self._around.environment)

    def _log_of(self, name: str) -> Path:
        log = self._log_folder / f"{name}.log"
        return log if log.exists() else self._children.output(name)

    @property
    def _log_folder(self) -> Path:
        return self._around.log_directory or self._folder.logs

    def _services(self) -> list[Service]:
        services = [] if self._around.brings_upstream else [self._upstream()]
        consumer = (program("normalizer"), "run")
        environment = self._environment("normalizer")
        services.append(Service("normalizer", consumer, environment, lambda: self._is_consumed(topology.RAW_QUEUE)))
        host, port = self.gateway()
        server = (program("gateway"), "run")
        environment = {**self._environment("gateway"), "API_PORT": str(port)}
        services.append(
            Service(
                "gateway",
                server,
                environment,
                is_ready=lambda: answers(host, port, READY_PATH, ok_only=True),
                where=f"http://{host}:{port}",
            )
        )
        service, environment = (program("fetcher"), "run"), self._environment("fetcher")
        services.append(Service("fetcher", service, environment, lambda: self._is_consumed(topology.COMMANDS_QUEUE)))
        return services

    def _upstream(self) -> Service:
        port = self._port("upstream")
        return Service(
            "upstream",
            upstream_command(self._around, port, began=self._folder.state.stand_in_began or self._clock.now()),
            self._around.environment,
            is_ready=lambda: answers(LOOPBACK, port),
            where=upstream_url(port),
        )

    def _ended(self, end: Callable[[Stack], list[str]]) -> list[str]:
        """Stop the services in order, and then whatever servers there are."""
        ended = self._children.stop_all()
        folder = self._folder.path / "stack"
        if folder.is_dir():
            servers = end(Stack(folder, servers=()))
            ended += [said for name, said in _SERVERS.items() if name in servers]
        return ended

    def _is_consumed(self, queue: str) -> bool:
        """Say whether a queue has its consumer; of a broker that is not ours one cannot know."""
        if "broker" not in self._servers:
            return True
        try:
            consumers = self._stack.broker.management().get("consumers", topology.VHOST)
        except StackError:
            return False
        return any(consumer["queue"]["name"] == queue for consumer in consumers)

    def _environment(self, command: str, verb: str = "run") -> dict[str, str]:
        environment = dict(self._around.environment)
        ours = self._stack.env() if self._servers else {}
        if "database" in self._servers:
            environment |= {name: ours[name] for name in _DATABASE_NAMES}
            password = ours.get(SERVICE_PASSWORDS.get(command, ""))
            if password and verb not in _OF_THE_OWNER:
                environment |= {"DB_USER": role_of(command), "DB_PASSWORD": password}
        if "broker" in self._servers and (url := ours.get(f"RABBITMQ_URL_{command.upper()}")):
            environment["RABBITMQ_URL"] = url
        if self._around.log_directory is None:
            environment["FEEDMILL__LOG__DIRECTORY"] = str(self._folder.logs)
        if command == "gateway" and not self._around.gateway.secret_key.get_secret_value():
            environment["SECRET_KEY"] = self._folder.secret("SECRET_KEY")
        if command == "fetcher" and not self._around.brings_upstream:
            environment |= upstream_variables(self._around, self._port("upstream"))
        return environment | self._known_to_the_doctor(ours) if verb == "doctor" else environment

    def _known_to_the_doctor(self, ours: Mapping[str, str]) -> dict[str, str]:
        """Return what each service knows, whom the servers let in, and whom the broker's console lets look."""
        known = {**self._environment("fetcher"), **self._environment("gateway")}
        names = ("SECRET_KEY", *(name for name in known if name.startswith(("CHE168_", "SHOP_"))))
        found = {name: known[name] for name in names if name in known} | {"API_PORT": str(self._port("gateway"))}
        if "database" in self._servers:
            found |= {name: ours[name] for name in SERVICE_PASSWORDS.values()}
        if "broker" in self._servers:
            found["RABBITMQ_URL"] = ours["RABBITMQ_URL_GATEWAY"]
            found |= {name: ours[name] for name in ("RABBITMQ_URL_FETCHER", "RABBITMQ_URL_NORMALIZER")}
            found[password_name("operator")] = self._stack.state.passwords["operator"]
            found["RABBITMQ_CONSOLE_PORT"] = str(self._stack.state.ports["management"])
        return found

    def _call(self, *words: str) -> None:
        """Run one of our commands to its end; what it warns of is said at once.

        Raises:
            LocalError: Its exit code is not 0; the text is what it said last.
        """
        command = [program(words[0]), *words[1:]]
        with (
            subprocess.Popen(  # noqa: S603 - one of our own commands
                command,
                env=self._environment(*words[:2]),
                cwd=self._root,
                umask=OWNER_ONLY,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process
        ):
            try:
                said = [passed_on(line) for line in process.stdout or ()]
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise LocalError(f"{' '.join(words[:2])}: {last_error(''.join(said))}")

    def _port(self, name: str) -> int:
        preferred = {"gateway": self._around.gateway.port, "upstream": UPSTREAM_PORT}
        return self._folder.state.ports.get(name, preferred[name])

    def _choose_port(self, name: str, preferred: int) -> None:
        """Settle on a port: that of the running service, else the preferred one, else the last one, else any."""
        ports = self._folder.state.ports
        if self._children.is_alive(name) and ports.get(f"{name}_preferred") == preferred:
            return
        port = choose(preferred if is_free(preferred) else ports.get(name))
        if port != preferred:
            say(f"port {preferred} is taken: {name} listens on {port}", level="WARNING")
        ports[name], ports[f"{name}_preferred"] = port, preferred
        self._folder.save()

    def _has_servers(self) -> bool:
        return not self._servers or (self._folder.path / "stack").is_dir()

    def _check_servers(self, needed: Sequence[str]) -> None:
        if not self._has_servers():
            raise LocalError(NOT_STARTED)
        if stopped := self._stopped([name for name in self._servers if name in needed]):
            raise LocalError(f"{stopped} {STOPPED}")

    def _stopped(self, servers: Sequence[str]) -> str:
        """Return the names of those of our servers that do not run, for people; empty where all do."""
        return " and ".join(_SERVERS[name] for name in servers if self._pid(name) is None)

    def _pid(self, server: str) -> int | None:
        return self._stack.database.pid if server == "database" else self._stack.broker.pid

    def _server_conditions(self) -> list[Condition]:
        conditions = []
        if "database" in self._servers:
            database = self._stack.database
            ready = database.pid is not None and database.is_ready()
            where = "{DB_HOST}:{DB_PORT}".format_map(self._stack.env())
            conditions.append(Condition(_SERVERS["database"], database.pid, is_ready=ready, where=where))
        if "broker" in self._servers:
            broker = self._stack.broker
            ready = broker.pid is not None and broker.is_ready()
            where = self._stack.env()["RABBITMQ_MANAGEMENT_URL"]
            conditions.append(Condition(_SERVERS["broker"], broker.pid, is_ready=ready, where=where))
        return conditions
