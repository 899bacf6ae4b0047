"""A stack has one RabbitMQ or three, from its first start on."""

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox import __main__ as command_line
from sandbox.stack import Stack, StackError, node, stack
from sandbox.stack.ports import BROKER_PORTS, PREFERRED, ports_of
from sandbox.stack.process import ServerProcess
from sandbox.stack.programs import PostgresPrograms, RabbitPrograms
from sandbox.stack.state import StateFile

pytestmark = pytest.mark.unit

NOWHERE = Path("/nonexistent")
NAMES = ("broker", "broker3", "epmd")


@pytest.fixture(autouse=True)
def _without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is started here, so none need be installed."""
    monkeypatch.setattr(stack, "find_postgres", lambda: PostgresPrograms(NOWHERE, NOWHERE, NOWHERE))
    monkeypatch.setattr(stack, "find_rabbitmq", lambda: RabbitPrograms(NOWHERE, NOWHERE))


@pytest.mark.parametrize("number", ["0", "2", "4", "-3", "three"])
def test_another_number_is_a_usage_error_that_says_why(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["stack", "up", "--brokers", number])
    assert stopped.value.code == 2
    assert "--brokers: 1 or 3: of two nodes neither can go on without the other" in capsys.readouterr().err


def test_every_node_has_ports_of_its_own() -> None:
    assert ports_of(1) == set(BROKER_PORTS)
    all_ports = [PREFERRED[name] for number in (1, 2, 3) for name in ports_of(number)]
    assert len(set(all_ports)) == 12


def test_a_folder_with_one_broker_refuses_three_and_keeps_what_it_has(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    with file.locked() as state:
        state.ports = {"amqp": 1}
        file.save()
    with pytest.raises(StackError, match="has 1 RabbitMQ, not 3: another --state, or"):
        Stack(tmp_path, brokers=3).up()
    assert StateFile(tmp_path).read().brokers == 1


def test_the_url_of_a_cluster_names_every_node(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    with file.locked() as state:
        state.brokers = 3
        state.ports = {"amqp": 1, "amqp2": 2, "amqp3": 3}
        file.save()
        password = state.passwords["fetcher"]
    url = Stack(tmp_path).vhost("test").urls["fetcher"]
    assert url == f"amqp://fetcher:{password}@127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/test?heartbeat=30"


def test_no_node_reads_what_the_machine_says_of_another_rabbitmq(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, str]] = []

    def launched(_command: object, *, environment: dict[str, str], **_: object) -> ServerProcess:
        started.append(environment)
        return ServerProcess(pid=1, started="never")

    monkeypatch.setattr(node, "launch", launched)
    file = StateFile(tmp_path)
    with file.locked() as state:
        state.ports = dict(PREFERRED)
    node.Node(2, file, RabbitPrograms(NOWHERE, NOWHERE)).launch()
    (given,) = started
    places = ("CONFIG_FILE", "CONFIG_FILES", "ADVANCED_CONFIG_FILE", "ENABLED_PLUGINS_FILE", "MNESIA_BASE", "LOG_BASE")
    assert all(given[f"RABBITMQ_{place}"].startswith(f"{tmp_path}/rabbitmq/") for place in places)
    assert given["RABBITMQ_CONF_ENV_FILE"] == "/dev/null"


def test_down_ends_every_node_that_runs_and_the_port_mapper(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    with ExitStack() as started:
        others = [started.enter_context(subprocess.Popen(["/bin/sleep", "60"])) for _ in range(3)]
        with file.locked() as state:
            state.brokers = 3
            found = {name: ServerProcess.of(one.pid) for name, one in zip(NAMES, others, strict=True)}
            state.processes = {name: process for name, process in found.items() if process}
            state.processes["broker2"] = ServerProcess(pid=others[0].pid, started="killed long ago")
            file.save()
        assert sorted(Stack(tmp_path).down()) == sorted(NAMES)
        assert [one.wait(10) for one in others] == [-signal.SIGTERM] * 3
    assert StateFile(tmp_path).read().processes == {}
