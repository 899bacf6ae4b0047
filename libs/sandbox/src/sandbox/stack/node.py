"""One RabbitMQ node on loopback: its files, its process, and whether it answers."""

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from common import topology
from sandbox.stack.account import Account
from sandbox.stack.errors import NotReadyError
from sandbox.stack.management import Management
from sandbox.stack.ports import HOST, suffix
from sandbox.stack.process import launch, wait_ready
from sandbox.stack.programs import RabbitPrograms
from sandbox.stack.state import BROKER_ADMINISTRATOR, StateFile, write_private

START_PATIENCE_S: Final = 120.0
STOP_PATIENCE_S: Final = 30.0
SCHEDULERS: Final = 2
PROCESS: Final = "broker"
"""The first node's name in the state file; the second is `broker2`, and its ports are `amqp2` and so on."""

_AMQP_GREETING: Final = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME: Final = b"\x01"


class Node:
    """One node of a state folder's broker; its caller holds the folder's lock.

    Args:
        number: 1, 2 or 3.
        file: The state, with its ports and its process.
        programs: RabbitMQ's.
    """

    def __init__(self, number: int, file: StateFile, programs: RabbitPrograms) -> None:
        self._suffix = suffix(number)
        self._file = file
        self._programs = programs
        self._folder = file.folder / "rabbitmq"

    @property
    def name(self) -> str:
        """What RabbitMQ calls it. The data belongs to this name, so it does not contain the name of the machine."""
        return f"feedmill{self._suffix}@localhost"

    @property
    def process_name(self) -> str:
        """What the state file calls it."""
        return PROCESS + self._suffix

    @property
    def log(self) -> Path:
        """Where it writes why it does not start; what happens later is in the folder `log` beside it."""
        return self._folder / f"{self.process_name}.out"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        process = self._file.state.processes.get(self.process_name)
        return process.pid if process and process.is_alive() else None

    @property
    def has_data(self) -> bool:
        """Whether it was ever started."""
        return (self._folder / "data" / self.name).exists()

    def port(self, name: str) -> int:
        """Return its port for `amqp`, `management`, `prometheus` or `distribution`."""
        return self._file.state.ports[name + self._suffix]

    def management(self, user: str = BROKER_ADMINISTRATOR) -> Management:
        """Return a client of its management API with the rights of `user`."""
        return Management(self.port("management"), user, self._file.state.passwords[user])

    def configure(self, shared: str) -> None:
        """Write its configuration: `shared` and what is this node's own."""
        own = [
            f"listeners.tcp.local = {HOST}:{self.port('amqp')}",
            f"management.tcp.ip = {HOST}",
            f"management.tcp.port = {self.port('management')}",
            f"prometheus.tcp.ip = {HOST}",
            f"prometheus.tcp.port = {self.port('prometheus')}",
        ]
        write_private(self._configuration, shared + "\n" + "\n".join(own) + "\n")

    def launch(self) -> None:
        """Start it unless it runs, and return at once.

        Raises:
            NotReadyError: It ended at once.
        """
        if self.pid is not None:
            return
        self._file.state.processes[self.process_name] = launch(
            [self._programs.server],
            environment=self._environment(),
            folder=self._folder,
            log=self.log,
            account=Account(),
        )
        self._file.save()

    def wait(self, *, for_queues: bool = True, starts: int = 1) -> None:
        """Return when it answers in AMQP and, unless told otherwise, every queue of the topology runs.

        Args:
            for_queues: Whether to wait for the queues.
            starts: How often it may be started in all. RabbitMQ 3.10 ends when it meets another node of its cluster at
                a certain moment of that one's start (`incompatible_feature_flags`), and starts well the next time.

        Raises:
            NotReadyError: It ended for the last time, or was not ready within 120 s.
        """
        process = self._file.state.processes[self.process_name]
        ready = self.is_ready if for_queues else self.speaks_amqp
        try:
            wait_ready(process, ready, name=f"RabbitMQ {self.name}", log=self.log, patience_s=START_PATIENCE_S)
        except NotReadyError:
            if starts == 1 or process.is_alive():
                raise
            self.launch()
            self.wait(for_queues=for_queues, starts=starts - 1)

    def is_ready(self) -> bool:
        """Say whether every queue of the topology runs and the AMQP port answers in AMQP."""
        return self.management().running_queues(topology.VHOST) >= set(topology.QUEUES) and self.speaks_amqp()

    def speaks_amqp(self) -> bool:
        """Say whether the AMQP port answers in AMQP."""
        try:
            with socket.create_connection((HOST, self.port("amqp")), timeout=5) as connection:
                connection.sendall(_AMQP_GREETING)
                return connection.recv(1) == _METHOD_FRAME
        except OSError:
            return False

    def ask_to_end(self) -> None:
        """Ask it to end in order, and return at once."""
        process = self._file.state.processes.get(self.process_name)
        if process:
            process.send(signal.SIGTERM)

    def stop(self) -> None:
        """End it in order; after 30 s by force."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would; `launch` brings it back on the same data and ports."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process = self._file.state.processes.pop(self.process_name, None)
        if process:
            process.end(number, patience_s=STOP_PATIENCE_S)
        self._file.save_end()

    @property
    def _configuration(self) -> Path:
        return self._folder / f"rabbitmq{self._suffix}.conf"

    def _environment(self) -> Mapping[str, str]:
        cores = min(SCHEDULERS, os.cpu_count() or 1)
        return {
            **surroundings(self._folder, self._file.state.ports["epmd"]),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self.port("distribution")),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self._folder / f"generated{self._suffix}"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._configuration),
            # Otherwise those in /etc/rabbitmq, of a RabbitMQ that this machine has besides, would win over ours.
            "RABBITMQ_CONFIG_FILES": str(self._folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._folder / "advanced.config"),
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


def surroundings(folder: Path, epmd_port: int) -> dict[str, str]:
    """Return the variables that every Erlang program of a stack has: its cookie is in `folder`."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_CRASH_DUMP": str(folder / "log" / "erl_crash.dump"),
    }
