"""A private RabbitMQ of one or three nodes on loopback, with its own Erlang port mapper, folders and ports."""

import json
import secrets
import signal
from pathlib import Path
from typing import Final

from common import topology
from sandbox.stack.account import Account
from sandbox.stack.management import Management
from sandbox.stack.node import STOP_PATIENCE_S, Node, surroundings
from sandbox.stack.ports import HOST
from sandbox.stack.process import launch
from sandbox.stack.programs import RabbitPrograms
from sandbox.stack.state import BROKER_ADMINISTRATOR, StateFile, write_private

PROJECT: Final = Path(__file__).resolve().parents[5]
SHARED: Final = PROJECT / "deploy" / "rabbitmq"
MOST_STARTS: Final = 4
"""Of a node of a cluster; see `Node.wait`."""
_PORT_MAPPER: Final = "epmd"


class Broker:
    """The RabbitMQ of one state folder; its caller holds the folder's lock."""

    def __init__(self, file: StateFile, programs: RabbitPrograms) -> None:
        self._file = file
        self._programs = programs
        self._folder = file.folder / "rabbitmq"

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its nodes: as many as the state says."""
        return tuple(Node(number + 1, self._file, self._programs) for number in range(self._file.state.brokers))

    @property
    def log(self) -> Path:
        """Where the first node writes why it does not start."""
        return self.nodes[0].log

    @property
    def pid(self) -> int | None:
        """The process of the first node that runs."""
        return next((node.pid for node in self.nodes if node.pid), None)

    def management(self, user: str = BROKER_ADMINISTRATOR) -> Management:
        """Return a client of the management API of the first node that runs, with the rights of `user`."""
        return next((node for node in self.nodes if node.pid), self.nodes[0]).management(user)

    def start(self) -> None:
        """Start what does not run and return when the topology is there and every node answers in AMQP.

        Raises:
            NotReadyError: A node ended, or was not ready within 120 s.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the first node and return at once; `wait` does the rest.

        A node that runs since an older version of the project is given what this one defines; what an operator has
        changed stays until then.

        Raises:
            NotReadyError: It ended at once.
        """
        if self.pid and (running := self.management().running_queues(topology.VHOST)):
            self._import_topology(running)
        self._prepare()
        self._launch_port_mapper()
        self.nodes[0].launch()

    def wait(self) -> None:
        """Start the other nodes; return when the topology is there and every node answers in AMQP.

        Raises:
            NotReadyError: As `start`.
        """
        if not all(node.has_data for node in self.nodes):
            # The others join one that has its definitions: two that load them at once can wait 50 s for each other.
            self.nodes[0].wait(for_queues=not self._is_cluster)
        for node in self.nodes:
            node.launch()
        if self._is_cluster:
            for node in self.nodes:
                node.wait(for_queues=False, starts=MOST_STARTS)
            self._import_topology(self._declared_queues())
        for node in self.nodes:
            node.wait()

    def stop(self) -> None:
        """End all nodes in order, at once, then the port mapper."""
        for node in self.nodes:
            node.ask_to_end()
        for node in self.nodes:
            node.stop()
        process = self._file.state.processes.pop(_PORT_MAPPER, None)
        if process:
            process.end(signal.SIGTERM, patience_s=STOP_PATIENCE_S)
        self._file.save_end()

    def kill(self) -> None:
        """End all nodes by SIGKILL, as a crash would; `start` brings them back on the same data and ports."""
        for node in self.nodes:
            node.kill()

    def is_ready(self) -> bool:
        """Say whether at every node every queue of the topology runs and the AMQP port answers in AMQP."""
        return all(node.is_ready() for node in self.nodes)

    def definitions(self) -> topology.Definitions:
        """Return the topology with hashed passwords and with the stack's own administrator."""
        template = json.loads((SHARED / "definitions.json").read_text(encoding="utf-8"))
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        template["users"].append({"name": BROKER_ADMINISTRATOR, "tags": "administrator"})
        template["permissions"].append({"user": BROKER_ADMINISTRATOR, "vhost": topology.VHOST, **everything})
        passwords = self._file.state.passwords
        return topology.render_definitions(
            template, {user["name"]: passwords[user["name"]] for user in template["users"]}
        )

    @property
    def _is_cluster(self) -> bool:
        return len(self.nodes) > 1

    def _prepare(self) -> None:
        for name in ("data", "log"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._write_cookie()
        write_private(self._boot_file, self._at_boot())
        write_private(self._folder / "enabled_plugins", (SHARED / "enabled_plugins").read_text(encoding="utf-8"))
        shared = (SHARED / "rabbitmq.conf").read_text(encoding="utf-8")
        for node in self.nodes:
            node.configure(shared + "\n" + "\n".join(self._configuration(node)))

    @property
    def _boot_file(self) -> Path:
        return self._folder / "definitions.json"

    def _at_boot(self) -> str:
        """Return what a node loads as it starts.

        A quorum queue gets its members when it is declared, of the nodes that run then. So a cluster starts without
        queues, and they are declared when all three nodes are there.
        """
        definitions = self.definitions()
        if self._is_cluster:
            definitions |= {"queues": [], "bindings": []}
        return json.dumps(definitions, indent=1)

    def _write_cookie(self) -> None:
        """Make the secret that rules the nodes; the one that Erlang would make up can be guessed from its time."""
        cookie = self._folder / ".erlang.cookie"
        if not cookie.exists():
            write_private(cookie, secrets.token_hex(20))

    def _configuration(self, node: Node) -> list[str]:
        lines = [
            f"definitions.local.path = {self._boot_file}",
            "log.file.rotation.date = $D0",
            "log.file.rotation.count = 7",
        ]
        first, *others = (one.name for one in self.nodes)
        if others:  # who sees fewer than half of the nodes stops serving, so no two parts go different ways
            lines.append("cluster_partition_handling = pause_minority")
            lines.append("collect_statistics_interval = 1000")  # ms: the console soon knows who is back
        if node.name in others:
            lines += [
                "cluster_formation.peer_discovery_backend = classic_config",
                f"cluster_formation.classic_config.nodes.1 = {first}",
            ]
        return lines

    def _declared_queues(self) -> set[str]:
        found = self.management().get("queues", topology.VHOST, query="?disable_stats=true")
        return {queue["name"] for queue in found}

    def _import_topology(self, present: set[str]) -> None:
        """Define everything, unless all queues are present and the definitions are those that it started with."""
        if not present >= set(topology.QUEUES) or self._boot_file.read_text(encoding="utf-8") != self._at_boot():
            self.management().post("definitions", body=topology.for_vhost(self.definitions(), topology.VHOST))

    def _launch_port_mapper(self) -> None:
        known = self._file.state.processes.get(_PORT_MAPPER)
        if known and known.is_alive():
            return
        port = self._file.state.ports[_PORT_MAPPER]
        self._file.state.processes[_PORT_MAPPER] = launch(
            [self._programs.epmd, "-port", str(port), "-address", HOST],
            environment=surroundings(self._folder, port),
            folder=self._folder,
            log=self._folder / f"{_PORT_MAPPER}.out",
            account=Account(),
        )
        self._file.save()
