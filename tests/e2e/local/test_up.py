"""`sandbox local` on this machine, natively: up, look, break, up again, down without a trace."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests import forking

from common import topology
from sandbox.local.services import program
from sandbox.local.state import LocalFolder
from sandbox.stack import Stack
from sandbox.stack.process import ServerProcess

OFFERS = 300


class Machine:
    """A folder that stands in for a clone, on a machine where no Docker engine answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        no_docker = root / "bin" / "docker"
        no_docker.parent.mkdir()
        no_docker.write_text("#!/bin/sh\nexit 1\n")
        no_docker.chmod(0o755)
        self.environment = {
            "PATH": f"{no_docker.parent}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "SANDBOX_OFFERS": str(OFFERS),
        }

    def local(self, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
        """Run `sandbox local` with `words`; `given` are names of the environment."""
        said, errors = (self.root / f"{name}.said" for name in ("output", "errors"))
        command = ("sandbox", "local", "--root", str(self.root), *words)
        environment = {**self.environment, **given}
        with said.open("wb") as one, errors.open("wb") as two:
            started = forking.start(*command, env=environment, cwd=self.root, output=one.fileno(), errors=two.fileno())
        code = started.wait(200)
        return subprocess.CompletedProcess(command, code, said.read_text(), errors.read_text())

    def services(self) -> dict[str, ServerProcess]:
        """Return the recorded processes of ours."""
        return {name: one.process for name, one in LocalFolder(self.root / ".local").state.services.items()}

    def processes(self) -> dict[str, ServerProcess]:
        """Return every recorded process, servers included."""
        folder = self.root / ".local" / "stack"
        return {**self.services(), **(Stack(folder).state.processes if folder.exists() else {})}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("clone"))
    yield machine
    machine.local("down", "--delete-data")


@pytest.fixture(scope="module")
def said(machine: Machine) -> str:
    """What the first `up` prints; the gateway's port is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = machine.local("up", API_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"shop sync of bot_igor finished: [1-9]\d* products, 0 removed", done.stderr)
    assert "daily update" in done.stderr
    return done.stdout


def fetch(url: str, authorization: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": authorization})  # noqa: S310 - an address of ours
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return json.load(answer)


def test_the_printed_curl_answers_with_offers(said: str) -> None:
    call = re.search(r"curl -H 'Authorization: (Bearer \w{16})' '(http://\S+)'", said)
    assert call is not None
    assert len(fetch(call[2], call[1])["items"]) == 3
    loaded = re.search(r"che168: ([\d,]+) offers served, ([\d,]+) in the catalogue", said)
    assert loaded is not None
    assert int(loaded[2].replace(",", "")) >= OFFERS


def test_a_taken_port_is_told_and_another_is_used(said: str) -> None:
    told = re.search(r"port (\d+) is taken: gateway listens on (\d+)", said)
    assert told is not None
    assert told[1] != told[2]
    assert f"http://127.0.0.1:{told[2]}/offers" in said


def test_the_printed_console_shows_queues_and_connections(said: str) -> None:
    console = re.search(r"Console +(\S+)  user (\w+), password (\w+)", said)
    assert console is not None
    login = "Basic " + b64encode(f"{console[2]}:{console[3]}".encode()).decode()
    queues = fetch(f"{console[1]}/api/queues/{topology.VHOST}", login)
    assert {queue["name"] for queue in queues} >= set(topology.QUEUES)
    consumers = fetch(f"{console[1]}/api/consumers/{topology.VHOST}", login)
    consumed = {consumer["queue"]["name"] for consumer in consumers}
    assert consumed >= {topology.RAW_QUEUE, topology.COMMANDS_QUEUE}
    (own,) = consumed - {topology.RAW_QUEUE, topology.COMMANDS_QUEUE}
    assert own.startswith("gateway.catalog.")


@pytest.mark.usefixtures("said")
async def test_every_service_works_as_its_own_role(machine: Machine) -> None:
    env = Stack(machine.root / ".local" / "stack").env()
    names = {"host": "DB_HOST", "port": "DB_PORT", "user": "DB_USER", "password": "DB_PASSWORD", "database": "DB_NAME"}
    connection = await asyncpg.connect(**{name: env[variable] for name, variable in names.items()})
    rows = await connection.fetch(
        "SELECT DISTINCT split_part(application_name, '@', 1) AS service, usename FROM pg_stat_activity"
        " WHERE application_name LIKE '%@%'"
    )
    await connection.close()
    assert {row["service"]: row["usename"] for row in rows} == {
        service: f"feedmill_{service}" for service in ("fetcher", "normalizer", "gateway")
    }


@pytest.mark.usefixtures("said")
def test_every_log_is_its_owners_only_also_that_of_a_command(machine: Machine) -> None:
    logs = machine.root / ".local" / "logs"
    (logs / "fetcher.log").rename(logs / "fetcher.log.before")  # as at midnight: a command begins the next file
    assert machine.local("run", "fetcher", "shop-sync").returncode == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in logs.iterdir()}
    assert modes.keys() >= {"fetcher.log", "fetcher.log.before", "normalizer.log", "gateway.log", "fetcher.out"}
    assert set(modes.values()) == {0o600}, modes


ANSWERED = (
    *("/offers", "/offers/facets", "/filters", "/offers/export", "/products", "/categories", "/collect-data"),
    *("/search?q=bmw", "/changes", "/change_id?date=2026-11-20", "/stats", "/status", "/metrics", "/info"),
    *(
        f"/api/v2/che168/{rest}"
        for rest in ("filters", "offers?page=1", "changes?change_id=0", "change_id?date=2026-11-20")
    ),
)
"""Whatever reads tables, all of which the gateway's role must be able to read."""


@pytest.mark.parametrize("path", ANSWERED)
def test_the_gateways_role_may_read_whatever_is_asked_of_it(said: str, path: str) -> None:
    call = re.search(r"Authorization: (Bearer \w{16})' '(http://[^/]+)", said)
    assert call is not None
    with httpx.Client(base_url=call[2], headers={"Authorization": call[1]}, timeout=10) as client:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text


@pytest.mark.usefixtures("said")
def test_the_doctor_finds_no_error(machine: Machine) -> None:
    done = machine.local("run", "feedmill", "doctor")
    assert done.returncode == 0, done.stdout
    seen = [
        *("settings of gateway", "source bot_igor", "schema", "rights of fetcher", "queue normalizer.raw", "gateway"),
        *("database as fetcher", "database as normalizer", "database as gateway"),
        *("broker as fetcher", "broker as normalizer"),
    ]
    assert [what for what in seen if f"ok       {what} " not in done.stdout] == []


@pytest.mark.usefixtures("said")
def test_status_shows_what_died_and_the_next_up_starts_only_that_even_after_one_that_was_interrupted(
    machine: Machine,
) -> None:
    before = machine.processes()
    assert machine.local("status").returncode == 0
    before["normalizer"].end(signal.SIGKILL, patience_s=5)
    status = machine.local("status")
    assert status.returncode == 1
    assert re.search(r"^normalizer +- +not running$", status.stdout, re.MULTILINE)
    port = str(LocalFolder(machine.root / ".local").state.ports["gateway_preferred"])
    interrupt_up(machine, at="starting normalizer", API_PORT=port)
    again = machine.local("up", API_PORT=port)
    assert again.returncode == 0, again.stderr
    assert "was finished" in again.stderr
    assert "[INFO] PostgreSQL on " in again.stdout
    assert "starting PostgreSQL" not in again.stdout, "both servers were running"
    after = machine.processes()
    assert {name for name in after if after[name] != before[name]} == {"normalizer"}


WRONG = {
    "config.yaml": ("gateway: {prot: 1}\n", {}, "settings of gateway: gateway.prot: unknown key"),
    "environment": ("", {"FEEDMILL__FETCHER__DAILY_AT": "25:00"}, "settings of fetcher: fetcher.daily_at: "),
    "short key": ("", {"SECRET_KEY": "short"}, "settings of gateway: SECRET_KEY is missing or shorter than 32"),
}


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(("content", "given", "told"), WRONG.values(), ids=WRONG)
def test_up_with_a_setting_that_a_service_refuses_says_so_and_all_goes_on_running(
    machine: Machine, content: str, given: dict[str, str], told: str
) -> None:
    before = machine.processes()
    (machine.root / "config.yaml").write_text(content)
    try:
        refused = machine.local("up", **given)
    finally:
        (machine.root / "config.yaml").unlink()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(rf"\[ERROR\] {re.escape(told)}.*\n", refused.stderr)
    assert machine.processes() == before
    assert all(process.is_alive() for process in before.values())


def interrupt_up(machine: Machine, *, at: str, **given: str) -> None:
    """Press Ctrl-C while `up` starts something; what it has started is known, and ended by a later test of `down`."""
    # A shell's background job, as which the tests may run, has SIGINT ignored, and every child of it as well.
    driver = ["env", "--default-signal=INT", program("sandbox"), "local", "--root", str(machine.root), "up"]
    environment = {**machine.environment, **given}
    with subprocess.Popen(driver, stdout=subprocess.PIPE, text=True, env=environment) as up:  # noqa: S603 - own words
        assert up.stdout is not None
        assert any(at in line for line in up.stdout)
        up.send_signal(signal.SIGINT)
        rest = up.stdout.read()
    assert up.returncode == 130
    assert rest.endswith("[WARNING] interrupted; what was started goes on running: make down ends it\n")


@pytest.mark.usefixtures("said")
def test_the_time_of_the_stand_in_goes_on_from_where_it_began_first(machine: Machine) -> None:
    state = LocalFolder(machine.root / ".local").state
    assert state.stand_in_began is not None
    clock = f"http://127.0.0.1:{state.ports['upstream']}/_sandbox/clock"
    moments = [datetime.fromisoformat(fetch(clock, "")["now"]) for _ in range(50)]  # of whole ms: some are the same
    assert moments == sorted(moments)
    assert state.stand_in_began < moments[0] < moments[-1]


@pytest.mark.usefixtures("said")
def test_commands_run_against_what_was_started(machine: Machine) -> None:
    made = machine.local("run", "gateway", "tokens", "create", "--count", "2")
    assert re.fullmatch(r"(\w{16}\n){2}", made.stdout)
    assert machine.local("run", "feedmill", "migrate").returncode == 0
    assert machine.local("console").stdout.startswith("http://127.0.0.1:")


@pytest.mark.usefixtures("said")
def test_offers_of_the_real_upstream_never_mix_with_those_of_the_stand_in(machine: Machine) -> None:
    refused = machine.local("up", CHE168_BASE_URL="http://127.0.0.1:9/api/v2/che168", CHE168_API_KEY="key")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        "[ERROR] the data here come from the stand-in upstream and .env now asks for the real"
    )


@pytest.mark.usefixtures("said")
def test_products_of_a_real_shop_never_mix_with_those_of_the_stand_in(machine: Machine) -> None:
    refused = machine.local("up", SHOP_API_URL="http://127.0.0.1:9/api/products")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("[ERROR] the data here come from the stand-in shop and .env now asks for the real")


@pytest.mark.usefixtures("said")
def test_a_database_of_ones_own_is_used_as_it_is(machine: Machine, tmp_path: Path) -> None:
    server = Stack(machine.root / ".local" / "stack")
    server.create_database("own")
    other = Machine(tmp_path)
    given = {name: server.env()[name] for name in ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD")} | {"DB_NAME": "own"}
    try:
        done = other.local("up", **given, SECRET_KEY="x" * 40)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "[INFO] starting RabbitMQ\n" in done.stdout
        assert "database" not in other.processes()
    finally:
        other.local("down", "--delete-data")


@pytest.mark.usefixtures("said")
def test_what_a_dump_holds_is_taken_by_a_new_machine_and_not_twice(machine: Machine, tmp_path: Path) -> None:
    dumped = machine.local("dump", str(tmp_path / "one"))
    assert "[INFO] database dumped" in dumped.stderr, dumped.stderr
    before = machine.processes()
    assert machine.local("restore", str(tmp_path / "one")).returncode == 1
    assert all(process.is_alive() for process in before.values())  # what is refused stops nothing
    other = Machine(tmp_path)
    try:
        taken = other.local("restore", str(tmp_path / "one"))
        assert taken.returncode == 0, taken.stderr
        assert "[INFO] database restored" in taken.stderr
        again = other.local("restore", str(tmp_path / "one"))
        assert again.returncode == 1
        assert re.search(r"^\[ERROR\] database feedmill is not empty \(\w+ has rows\): .*FORCE=1", again.stderr)
    finally:
        other.local("down", "--delete-data")


@pytest.mark.usefixtures("said")
def test_down_ends_everything_even_with_wrong_settings_and_leaves_the_data(machine: Machine) -> None:
    before = machine.processes()
    assert len(before) == 7
    (machine.root / ".env").write_text("NO_SUCH_NAME=1\n")
    down = machine.local("down")
    assert down.returncode == 0
    assert "[INFO] stopped: upstream, normalizer, gateway, fetcher, PostgreSQL, RabbitMQ\n" in down.stdout
    assert not [name for name, process in before.items() if process.is_alive()]
    assert machine.processes() == {}
    assert machine.local("up").stderr == "[ERROR] .env: unknown key NO_SUCH_NAME\n"
    (machine.root / ".env").unlink()
    assert machine.local("down").stdout == "[INFO] nothing was running\n"
    assert (machine.root / ".local" / "stack" / "stack.json").is_file()


@pytest.mark.usefixtures("said")
def test_data_are_removed_on_request_only(machine: Machine) -> None:
    stack = machine.root / ".local" / "stack"
    assert machine.local("down").returncode == 0
    database = Stack(stack).state.database_folder
    assert database is not None
    assert database.exists()
    assert machine.local("down", "--delete-data").returncode == 0
    assert not stack.exists()
    assert not database.exists()
    state = LocalFolder(machine.root / ".local").state
    assert (state.upstream, state.shop, state.stand_in_began) == (None, None, None)
