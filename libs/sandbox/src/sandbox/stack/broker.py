"""One private RabbitMQ node on loopback, with its own Erlang port mapper, folders and ports."""

import json
import os
import secrets
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from common import topology
from sandbox.stack.account import Account
from sandbox.stack.management import Management
from sandbox.stack.ports import HOST
from sandbox.stack.process import launch, wait_ready
from sandbox.stack.programs import RabbitPrograms
from sandbox.stack.state import BROKER_ADMINISTRATOR, StateFile, write_private

PROJECT: Final = Path(__file__).resolve().parents[5]
SHARED: Final = PROJECT / "deploy" / "rabbitmq"
NODE: Final = "feedmill@localhost"
"""The data belongs to this name, so it does not contain the name of the machine."""

START_PATIENCE_S: Final = 120.0
STOP_PATIENCE_S: Final = 30.0
SCHEDULERS: Final = 2
_AMQP_GREETING: Final = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME: Final = b"\x01"


class Broker:
    """The RabbitMQ of one state folder; its caller holds the folder's lock."""

    def __init__(self, file: StateFile, programs: RabbitPrograms) -> None:
        self._file = file
        self._programs = programs
        self._folder = file.folder / "rabbitmq"

    @property
    def log(self) -> Path:
        """Where it writes why it does not start; what happens later is in the folder `log` beside it."""
        return self._folder / "broker.out"

    @property
    def pid(self) -> int | None:
        """The node's process, if it runs."""
        process = self._file.state.processes.get("broker")
        return process.pid if process and process.is_alive() else None

    def management(self, user: str = BROKER_ADMINISTRATOR) -> Management:
        """Return a client of the management API with the rights of `user`."""
        state = self._file.state
        return Management(state.ports["management"], user, state.passwords[user])

    def start(self) -> None:
        """Start what does not run and return when the topology is there and AMQP answers.

        A node that runs since an older version of the project is given the queues that were added since.

        Raises:
            NotReadyError: It ended, or was not ready within 120 s.
        """
        self._prepare()
        self._add_new_queues()
        self._launch("epmd", [self._programs.epmd, "-port", str(self._port("epmd")), "-address", HOST])
        self._launch("broker", [self._programs.server])
        process = self._file.state.processes["broker"]
        wait_ready(process, self.is_ready, name="RabbitMQ", log=self.log, patience_s=START_PATIENCE_S)

    def stop(self) -> None:
        """End the node in order, then the port mapper."""
        self._end("broker", signal.SIGTERM)
        self._end("epmd", signal.SIGTERM)

    def kill(self) -> None:
        """End the node by SIGKILL, as a crash would; `start` brings it back on the same data and ports."""
        self._end("broker", signal.SIGKILL)

    def is_ready(self) -> bool:
        """Say whether every queue of the topology runs and the AMQP port answers in AMQP."""
        return self.management().running_queues(topology.VHOST) >= set(topology.QUEUES) and self._speaks_amqp()

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

    def _prepare(self) -> None:
        for name in ("data", "log"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._write_cookie()
        write_private(self._folder / "definitions.json", json.dumps(self.definitions(), indent=1))
        write_private(self._folder / "enabled_plugins", (SHARED / "enabled_plugins").read_text(encoding="utf-8"))
        shared = (SHARED / "rabbitmq.conf").read_text(encoding="utf-8")
        write_private(self._folder / "rabbitmq.conf", shared + "\n" + "\n".join(self._configuration()) + "\n")

    def _write_cookie(self) -> None:
        """Make the secret that rules the node; the one that Erlang would make up can be guessed from its time."""
        cookie = self._folder / ".erlang.cookie"
        if not cookie.exists():
            write_private(cookie, secrets.token_hex(20))

    def _configuration(self) -> list[str]:
        return [
            f"definitions.local.path = {self._folder}/definitions.json",
            f"listeners.tcp.local = {HOST}:{self._port('amqp')}",
            f"management.tcp.ip = {HOST}",
            f"management.tcp.port = {self._port('management')}",
            f"prometheus.tcp.ip = {HOST}",
            f"prometheus.tcp.port = {self._port('prometheus')}",
            "log.file.rotation.date = $D0",
            "log.file.rotation.count = 7",
        ]

    def _environment(self) -> Mapping[str, str]:
        cores = min(SCHEDULERS, os.cpu_count() or 1)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(self._port("epmd")),
            "ERL_CRASH_DUMP": str(self._folder / "log" / "erl_crash.dump"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_DIST_PORT": str(self._port("distribution")),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self._folder / "generated"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            # With these two the script becomes the node instead of staying its parent: one process, one pid.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            # The cores are shared: a scheduler that waits shall sleep, not spin, which took a quarter of the broker's
            # time. Only the threads of file access spin a little: a start looks up 50,000 files, and without it each
            # costs a sleep and a wake-up (7 s instead of 5 s).
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"+S {cores}:{cores} +sbwt none +sbwtdcpu none +sbwtdio very_short"
                " -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def _add_new_queues(self) -> None:
        present = self.management().running_queues(topology.VHOST) if self.pid else set()
        if present and not present >= set(topology.QUEUES):
            self.management().post("definitions", body=topology.for_vhost(self.definitions(), topology.VHOST))

    def _launch(self, name: str, command: list[Any]) -> None:
        known = self._file.state.processes.get(name)
        if known and known.is_alive():
            return
        self._file.state.processes[name] = launch(
            command,
            environment=self._environment(),
            folder=self._folder,
            log=self._folder / f"{name}.out",
            account=Account(),
        )
        self._file.save()

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._file.state.processes.pop(name, None)
        if process:
            process.end(number, patience_s=STOP_PATIENCE_S)
        self._file.save()

    def _port(self, name: str) -> int:
        return self._file.state.ports[name]

    def _speaks_amqp(self) -> bool:
        try:
            with socket.create_connection((HOST, self._port("amqp")), timeout=5) as connection:
                connection.sendall(_AMQP_GREETING)
                return connection.recv(1) == _METHOD_FRAME
        except OSError:
            return False
