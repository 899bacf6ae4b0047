"""A stack of its own is started, broken, brought back and ended, from a folder that others cannot enter."""

import asyncio
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import asyncpg
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import AMQPError

from common import topology
from sandbox.stack import Stack
from sandbox.stack.account import Account
from sandbox.stack.state import StateFile

pytestmark = pytest.mark.integration

SETTINGS = {"fsync": "on", "jit": "off", "wal_compression": "lz4", "lc_collate": "C", "timezone": "UTC"}
INTERPRETER = f"python3.{sys.version_info.minor}"
PACKAGES = [path for path in sys.path if path.endswith(("site-packages", "src"))]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack for this file alone, in a folder of 0700."""
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    stack = Stack(closed / "stack", preferred_ports={})
    try:
        stack.up()
        yield stack
    finally:
        stack.delete_data()


def pids(stack: Stack) -> dict[str, int]:
    return {name: process.pid for name, process in stack.state.processes.items() if process.is_alive()}


async def answer(stack: Stack, query: str) -> object:
    """Ask the stack's database as the services' role."""
    env = stack.env()
    connection = await asyncpg.connect(
        host=env["DB_HOST"],
        port=int(env["DB_PORT"]),
        user=env["DB_USER"],
        password=env["DB_PASSWORD"],
        database=env["DB_NAME"],
    )
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def publish(stack: Stack, count: int) -> None:
    async with await aio_pika.connect(stack.env()["RABBITMQ_URL_FETCHER"]) as connection:
        exchange = await (await connection.channel()).get_exchange(topology.RAW_EXCHANGE, ensure=False)
        for number in range(count):
            message = Message(str(number).encode(), delivery_mode=DeliveryMode.PERSISTENT)
            await exchange.publish(message, "raw.che168.page")


async def take(stack: Stack, count: int) -> list[bytes]:
    async with await aio_pika.connect(stack.env()["RABBITMQ_URL_NORMALIZER"]) as connection:
        queue = await (await connection.channel()).get_queue(topology.RAW_QUEUE, ensure=False)
        bodies = []
        for _ in range(count):
            message = await queue.get(timeout=10)
            assert message is not None
            await message.ack()
            bodies.append(message.body)
    return bodies


def test_up_again_changes_nothing_that_runs(own: Stack) -> None:
    before = pids(own)
    assert set(before) == {"database", "broker", "epmd"}
    own.up()
    assert pids(own) == before


def test_the_secrets_are_readable_by_their_owner_only(own: Stack) -> None:
    secret_files = ("stack.json", "rabbitmq/definitions.json", "rabbitmq/.erlang.cookie", "rabbitmq/rabbitmq.conf")
    assert {name: stat.S_IMODE((own.folder / name).stat().st_mode) for name in secret_files}.keys() == set(secret_files)
    for name in secret_files:
        assert stat.S_IMODE((own.folder / name).stat().st_mode) & 0o077 == 0


def test_no_plain_password_reaches_the_broker_or_a_command_line(own: Stack) -> None:
    definitions = (own.folder / "rabbitmq/definitions.json").read_text(encoding="utf-8")
    lines = [Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") for pid in pids(own).values()]
    assert not [word for word in own.state.passwords.values() if word in definitions or word in "".join(lines)]


def test_the_database_does_not_run_as_root_and_its_folder_is_closed_to_others(own: Stack) -> None:
    folder = own.state.database_folder
    assert folder is not None
    owner = Path(f"/proc/{pids(own)['database']}").stat().st_uid
    assert owner != 0
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (owner, 0o700)


def test_every_listener_is_on_loopback(own: Stack) -> None:
    listening = subprocess.run(["/usr/bin/env", "ss", "-Hltn"], capture_output=True, text=True, check=False).stdout
    mine = {str(port) for port in own.state.ports.values()}
    addresses = {line.split()[3].rpartition(":") for line in listening.splitlines()}
    assert {host for host, _, port in addresses if port in mine} <= {"127.0.0.1", "[::1]"}


async def test_the_database_has_the_settings_of_the_measurements(own: Stack) -> None:
    shown = [
        await answer(own, f"SHOW {name}") for name in ("fsync", "jit", "wal_compression", "lc_collate", "timezone")
    ]
    assert shown == ["on", "off", "lz4", "C", "UTC"]
    assert await answer(own, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


async def test_a_killed_broker_comes_back_with_its_persistent_messages(own: Stack) -> None:
    await publish(own, 50)
    before = pids(own)["broker"]
    own.broker.kill()
    assert "broker" not in pids(own)
    own.broker.start()
    assert pids(own)["broker"] != before
    assert await take(own, 50) == [str(number).encode() for number in range(50)]


async def test_a_database_stopped_in_mid_flight_recovers(own: Stack) -> None:
    await answer(own, "CREATE TABLE survives AS SELECT 42 AS answer")
    own.database.stop("immediate")
    with pytest.raises(OSError, match="Connect call failed"):
        await answer(own, "SELECT 1")
    own.database.start()
    assert await answer(own, "SELECT answer FROM survives") == 42


async def test_down_ends_all_and_up_brings_back_data_ports_and_the_operators_policies(own: Stack) -> None:
    await publish(own, 3)
    await answer(own, "CREATE TABLE kept AS SELECT 7 AS answer")
    small = {"pattern": "^normalizer[.]raw$", "apply-to": "queues", "priority": 10, "definition": {"max-length": 9}}
    own.broker.management("operator").put("policies", topology.VHOST, "work", body=small)
    before, ports = pids(own), dict(own.state.ports)

    assert sorted(own.down()) == ["broker", "database", "epmd"]
    assert [pid for pid in before.values() if running(pid)] == []
    assert [line for line in command_lines() if str(own.folder) in line] == []
    own.up()

    assert own.state.ports == ports
    assert await take(own, 3) == [b"0", b"1", b"2"]
    assert await answer(own, "SELECT answer FROM kept") == 7
    policies = own.broker.management("operator").get("policies", topology.VHOST)
    assert [policy["definition"] for policy in policies if policy["name"] == "work"] == [{"max-length": 9}]


async def test_reset_closes_connections_and_empties_queues(own: Stack) -> None:
    await publish(own, 3)
    connection = await aio_pika.connect(own.env()["RABBITMQ_URL_FETCHER"])
    own.reset_broker()
    assert connection.transport is not None
    with pytest.raises(AMQPError, match="CONNECTION_FORCED"):
        await asyncio.wait_for(connection.transport.connection.closing, 10)
    async with await aio_pika.connect(own.env()["RABBITMQ_URL_NORMALIZER"]) as fresh:
        queue = await (await fresh.channel()).declare_queue(topology.RAW_QUEUE, passive=True)
    assert queue.declaration_result.message_count == 0


def test_a_port_that_was_taken_meanwhile_is_replaced_and_named(own: Stack) -> None:
    own.database.stop()
    before = own.state.ports["database"]
    with socket.create_server(("127.0.0.1", before)):
        lines = own.up()
    assert own.state.ports["database"] != before
    assert f"127.0.0.1:{own.state.ports['database']}" in lines[0]


def test_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["/bin/sleep", "60"])
    try:
        file = StateFile(tmp_path)
        with file.locked() as state:
            process = {"pid": other.pid, "started": "an earlier boot 4711"}
            state.processes = type(state).model_validate({"processes": {"broker": process}}).processes
            file.save()
        assert Stack(tmp_path).down() == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_plain_user_has_the_same_from_its_own_closed_folder(plain_user: tuple[Account, Path]) -> None:
    account, folder = plain_user
    for action, expected in (("up", "RabbitMQ console"), ("env", "export DB_PORT="), ("down --delete-data", "stopped")):
        done = sandbox(account, "stack", *action.split(), "--state", str(folder / "stack"))
        assert (done.returncode, done.stderr) == (0, ""), action
        assert expected in done.stdout
    assert list(folder.iterdir()) == []


@pytest.fixture
def plain_user() -> Iterator[tuple[Account, Path]]:
    """An unprivileged user and a folder of 0700 that is its own; skips where that user cannot enter this clone."""
    account = Account(*pwd.getpwnam("nobody")[2:4]) if os.geteuid() == 0 else Account()
    if sandbox(account, "--help").returncode:
        pytest.skip("this clone lies where an unprivileged user cannot read it")
    folder = Path(tempfile.mkdtemp(prefix="feedmill-test-"))
    os.chown(folder, account.owner, -1)
    yield account, folder
    shutil.rmtree(folder)


def sandbox(account: Account, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the sandbox as another user, who may be unable to enter the folder of our interpreter."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(PACKAGES)}
    command = ["/usr/bin/env", INTERPRETER, "-W", "error", "-m", "sandbox", *words]
    return account.run(command, environment=environment)


def running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


def command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return lines


def test_a_node_that_runs_since_an_older_version_is_given_the_queue_that_is_new(own: Stack) -> None:
    own.up()
    before = pids(own)
    own.broker.management().delete("queues", topology.VHOST, topology.EVENTS_QUEUE)
    own.up()
    assert own.broker.is_ready()
    assert pids(own) == before
