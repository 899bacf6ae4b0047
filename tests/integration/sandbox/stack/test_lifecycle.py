"""A stack of a plain user is started, broken, brought back and ended by the command, in a folder closed to others."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import asyncpg
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import AMQPError

from common import topology
from sandbox.stack import Stack, Vhost
from sandbox.stack.account import Account
from sandbox.stack.state import StateFile

pytestmark = pytest.mark.integration

SETTINGS = {
    "fsync": "on",
    "jit": "off",
    "wal_compression": "lz4",
    "wal_init_zero": "off",
    "lc_collate": "C",
    "timezone": "UTC",
}
INTERPRETER = f"python3.{sys.version_info.minor}"
PACKAGES = [path for path in sys.path if path.endswith(("site-packages", "src"))]
SECRETS = ("stack.json", "rabbitmq/definitions.json", "rabbitmq/.erlang.cookie", "rabbitmq/rabbitmq.conf")


@dataclass(frozen=True)
class Owner:
    """Who has a stack: an unprivileged user where we are root and it can read this clone, otherwise ourselves."""

    account: Account
    folder: Path

    @property
    def stack(self) -> Stack:
        """The stack, as the state file has it now; to be looked at, for what we write might be closed to its owner."""
        return Stack(self.folder / "stack")

    def says(self, action: str) -> str:
        """Return what an action of `sandbox stack` says; it must end well."""
        done = sandbox(self.account, "stack", *action.split(), "--state", str(self.folder / "stack"))
        assert (done.returncode, done.stderr) == (0, ""), action
        return done.stdout

    def end(self, name: str, number: signal.Signals) -> None:
        """End a server behind the back of its stack."""
        process = self.stack.state.processes[name]
        process.send(number)
        assert process.wait(60)


def sandbox(account: Account, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the sandbox as another user, who may be unable to enter the folder of our interpreter."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(PACKAGES)}
    command = ["/usr/bin/env", INTERPRETER, "-W", "error", "-m", "sandbox", *words]
    return account.run(command, environment=environment)


@pytest.fixture(scope="module")
def owner() -> Iterator[Owner]:
    """The owner of a stack for this file alone, which runs, in a folder of 0700."""
    account = Account(*pwd.getpwnam("nobody")[2:4]) if os.geteuid() == 0 else Account()
    if sandbox(account, "--help").returncode:
        account = Account()
    folder = Path(tempfile.mkdtemp(prefix="feedmill-test-"))
    os.chown(folder, account.owner, -1)
    made = Owner(account, folder)
    try:
        assert "RabbitMQ console" in made.says("up")
        yield made
    finally:
        sandbox(account, "stack", "down", "--delete-data", "--state", str(folder / "stack"))
        shutil.rmtree(folder)


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


async def publish(vhost: Vhost, count: int) -> None:
    async with await aio_pika.connect(vhost.urls["fetcher"]) as connection:
        exchange = await (await connection.channel()).get_exchange(topology.RAW_EXCHANGE, ensure=False)
        for number in range(count):
            message = Message(str(number).encode(), delivery_mode=DeliveryMode.PERSISTENT)
            await exchange.publish(message, "raw.che168.page")


async def take(vhost: Vhost, count: int) -> list[bytes]:
    async with await aio_pika.connect(vhost.urls["normalizer"]) as connection:
        queue = await (await connection.channel()).get_queue(topology.RAW_QUEUE, ensure=False)
        bodies = []
        for _ in range(count):
            message = await queue.get(timeout=10)
            assert message is not None
            await message.ack()
            bodies.append(message.body)
    return bodies


def test_up_again_leaves_what_runs_and_gives_an_older_node_the_queue_that_is_new(owner: Owner) -> None:
    before = pids(owner.stack)
    assert set(before) == {"database", "broker", "epmd"}
    broker = owner.stack.broker
    broker.management().delete("queues", topology.VHOST, topology.EVENTS_QUEUE)
    owner.says("up")
    assert broker.is_ready()
    assert pids(owner.stack) == before


def test_up_again_brings_an_older_node_the_policies_of_today_and_otherwise_leaves_the_operators(owner: Owner) -> None:
    management = owner.stack.broker.management("operator")

    def set_to(most: int) -> None:
        body = {"pattern": "^x$", "apply-to": "queues", "priority": 10, "definition": {"max-length": most}}
        management.put("policies", topology.VHOST, "keep", body=body)

    def is_ours() -> bool:
        return bool(management.get("policies", topology.VHOST, "keep")["pattern"] != "^x$")

    set_to(99)
    owner.says("up")
    assert not is_ours()
    loaded = owner.folder / "stack/rabbitmq/definitions.json"
    loaded.write_text(loaded.read_text().replace('"policies"', '"policies_of_yesterday"'))
    owner.says("up")
    assert is_ours()


def test_its_environment_names_the_database(owner: Owner) -> None:
    assert f"export DB_PORT={owner.stack.state.ports['database']}\n" in owner.says("env")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_readable_by_its_owner_only(owner: Owner, name: str) -> None:
    found = (owner.folder / "stack" / name).stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode) & 0o077) == (owner.account.owner, 0)


def test_no_plain_password_reaches_the_broker_or_a_command_line(owner: Owner) -> None:
    definitions = (owner.folder / "stack/rabbitmq/definitions.json").read_text(encoding="utf-8")
    lines = [Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") for pid in pids(owner.stack).values()]
    passwords = owner.stack.state.passwords.values()
    assert not [word for word in passwords if word in definitions or word in "".join(lines)]


def test_the_database_does_not_run_as_root_and_its_folder_is_closed_to_others(stack: Stack) -> None:
    folder = stack.state.database_folder
    assert folder is not None
    owner = Path(f"/proc/{pids(stack)['database']}").stat().st_uid
    assert owner != 0
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (owner, 0o700)


def test_every_listener_is_on_loopback(owner: Owner) -> None:
    listening = subprocess.run(["/usr/bin/env", "ss", "-Hltn"], capture_output=True, text=True, check=False).stdout
    mine = {str(port) for port in owner.stack.state.ports.values()}
    addresses = {line.split()[3].rpartition(":") for line in listening.splitlines()}
    assert {host for host, _, port in addresses if port in mine} <= {"127.0.0.1", "[::1]"}


async def test_the_database_has_the_settings_of_the_measurements(owner: Owner) -> None:
    shown = {name: await answer(owner.stack, f"SHOW {name}") for name in SETTINGS}
    assert shown == SETTINGS
    assert await answer(owner.stack, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


async def test_what_was_killed_comes_back_with_messages_rows_ports_and_the_operators_policies(owner: Owner) -> None:
    before = owner.stack
    await publish(before.vhost(), 50)
    await answer(before, "CREATE TABLE survives AS SELECT 42 AS answer")
    small = {"pattern": "^normalizer[.]raw$", "apply-to": "queues", "priority": 10, "definition": {"max-length": 99}}
    before.broker.management("operator").put("policies", topology.VHOST, "work", body=small)
    owner.end("broker", signal.SIGKILL)
    owner.end("database", signal.SIGQUIT)
    with pytest.raises(OSError, match="Connect call failed"):
        await answer(before, "SELECT 1")

    owner.says("up")

    after = owner.stack
    assert after.state.ports == before.state.ports
    assert {name: after.state.processes[name] == before.state.processes[name] for name in pids(after)} == {
        "database": False,
        "broker": False,
        "epmd": True,
    }
    assert await take(after.vhost(), 50) == [str(number).encode() for number in range(50)]
    assert await answer(after, "SELECT answer FROM survives") == 42
    policies = after.broker.management("operator").get("policies", topology.VHOST)
    assert [policy["definition"] for policy in policies if policy["name"] == "work"] == [{"max-length": 99}]


def test_a_port_that_was_taken_meanwhile_is_replaced_and_named(owner: Owner) -> None:
    before = owner.stack.state.ports["database"]
    owner.end("database", signal.SIGINT)
    with socket.create_server(("127.0.0.1", before)):
        lines = owner.says("up").splitlines()
    assert owner.stack.state.ports["database"] != before
    assert f"127.0.0.1:{owner.stack.state.ports['database']}" in lines[0]


async def test_reset_closes_connections_and_empties_queues(stack: Stack, vhost: Vhost) -> None:
    await publish(vhost, 3)
    connection = await aio_pika.connect(vhost.urls["fetcher"])
    await asyncio.to_thread(stack.reset_broker, vhost.name)
    assert connection.transport is not None
    with pytest.raises(AMQPError, match="CONNECTION_FORCED"):
        await asyncio.wait_for(connection.transport.connection.closing, 10)
    async with await aio_pika.connect(vhost.urls["normalizer"]) as fresh:
        queue = await (await fresh.channel()).declare_queue(topology.RAW_QUEUE, passive=True)
    assert queue.declaration_result.message_count == 0


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


def test_the_end_of_all_leaves_no_process_and_no_file(owner: Owner) -> None:
    before = pids(owner.stack)
    said = owner.says("down --delete-data")
    assert sorted(said.removeprefix("stopped: ").strip().split(", ")) == ["broker", "database", "epmd"]
    assert [pid for pid in before.values() if running(pid)] == []
    assert [line for line in command_lines() if str(owner.folder) in line] == []
    assert list(owner.folder.iterdir()) == []
    assert owner.says("down") == "nothing was running\n"


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
