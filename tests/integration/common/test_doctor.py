"""`feedmill doctor` on a healthy installation, and with one fault planted at a time: each is named, with what helps."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import aio_pika
import pytest
from tests.lent import connected

from common.__main__ import main
from common.clock import SystemClock
from common.db.revision import HEAD
from common.doctor.report import Level, Line, is_well, summary, written
from common.doctor.visit import Surroundings, examine
from common.settings import SERVICE_PASSWORDS, DatabaseSettings
from common.testing.clock import VirtualClock
from common.topology import COMMANDS_QUEUE, DEAD_QUEUE, RAW_QUEUE
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

TEMPLATE = Path(__file__).resolve().parents[3] / "deploy" / "rabbitmq" / "definitions.json"


@dataclass
class Patient:
    """An installation of which everything can be made ill."""

    stack: Stack
    vhost: Vhost
    database: DatabaseSettings
    environment: dict[str, str]
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    free: int = 2**40
    late_s: float = 0
    health: HTTPStatus = HTTPStatus.OK
    template: Path = TEMPLATE
    consumed: list[str] = field(default_factory=lambda: [RAW_QUEUE, COMMANDS_QUEUE])

    async def sql(self, statement: str) -> None:
        """Run a statement in its database."""
        async with connected(self.database) as connection:
            await connection.execute(statement)

    async def examined(self) -> list[Line]:
        """Return what the doctor says."""
        for name, value in self.environment.items():
            self.monkeypatch.setenv(name, value)
        around = Surroundings(template=self.template, free=lambda _folder: self.free)
        clock = VirtualClock(SystemClock().now() + timedelta(seconds=self.late_s))
        async with self._consumers():
            return await examine(around, clock)

    @asynccontextmanager
    async def _consumers(self) -> AsyncIterator[None]:
        users = {RAW_QUEUE: "normalizer", COMMANDS_QUEUE: "fetcher"}
        opened = []
        for name in self.consumed:
            opened.append(await aio_pika.connect(self.vhost.urls[users[name]]))
            queue = await (await opened[-1].channel()).get_queue(name, ensure=False)
            await queue.consume(_ignore)
        yield
        for connection in opened:
            await connection.close()


async def _ignore(_message: object) -> None:
    """Take a message and keep it."""


@pytest.fixture(scope="module")
def shared_vhost(stack: Stack) -> Iterator[Vhost]:
    """A virtual host that no test changes."""
    name = f"test_{secrets.token_hex(4)}"
    yield stack.create_vhost(name)
    stack.delete_vhost(name)


@pytest.fixture
async def patient(
    stack: Stack,
    request: pytest.FixtureRequest,
    migrated_template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Patient]:
    """An installation that is well; its servers are its own where the test's parameter says so."""
    assert migrated_template  # an asynchronous fixture cannot be asked for in the middle of this one
    own = getattr(request, "param", "nothing")
    database: DatabaseSettings = request.getfixturevalue("database" if own == "database" else "module_database")
    vhost: Vhost = request.getfixturevalue("vhost" if own == "vhost" else "shared_vhost")
    monkeypatch.chdir(tmp_path)
    ill = Patient(stack, vhost, database, {}, tmp_path, monkeypatch)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = '{"title": "Not available now", "detail": "away"}'
        head = f"HTTP/1.1 {ill.health} said\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    gateway = await asyncio.start_server(answer, "127.0.0.1", 0)
    ill.environment = {
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USER": database.user,
        "DB_PASSWORD": database.password.get_secret_value(),
        "DB_NAME": database.name,
        "RABBITMQ_URL": vhost.urls["fetcher"],
        "RABBITMQ_OPERATOR_PASSWORD": stack.state.passwords["operator"],
        "RABBITMQ_CONSOLE_PORT": str(stack.state.ports["management"]),
        "SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "API_PORT": str(gateway.sockets[0].getsockname()[1]),
        "CHE168_API_KEY": "key",
        "CHE168_ACCESS_NAME": "name",
        "SHOP_API_URL": "https://shop.example/api",
    }
    yield ill
    gateway.close()
    await gateway.wait_closed()


async def test_servers_that_say_nothing_are_waited_for_at_once(patient: Patient) -> None:
    waited_for: set[asyncio.StreamReader] = set()
    all_at_once = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waited_for.add(reader)
        if len(waited_for) == len(silent):
            all_at_once.set()
        gone = asyncio.ensure_future(_read_to_the_end(reader))
        together = asyncio.ensure_future(all_at_once.wait())
        await asyncio.wait({gone, together}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        together.cancel()
        waited_for.remove(reader)
        writer.close()

    silent = [await asyncio.start_server(say_nothing, "127.0.0.1", 0) for _ in range(4)]
    database, broker, console, gateway = [str(one.sockets[0].getsockname()[1]) for one in silent]
    url = f"amqp://fetcher:x@127.0.0.1:{broker}/feedmill"
    patient.environment |= {
        "DB_PORT": database,
        "RABBITMQ_URL": url,
        "RABBITMQ_CONSOLE_PORT": console,
        "API_PORT": gateway,
    }
    lines = await patient.examined()
    assert all_at_once.is_set()
    told = [line.what for line in lines if line.what in {"database", "broker", "policies", "gateway"}]
    assert told == ["database", "broker", "policies", "gateway"], "in their order all the same"
    for one in silent:
        one.close()


async def _read_to_the_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def test_a_healthy_installation_has_no_error_and_no_warning(patient: Patient) -> None:
    given = patient.stack.env()
    patient.environment |= {name: given[name] for name in SERVICE_PASSWORDS.values()}
    patient.environment |= {f"RABBITMQ_URL_{service.upper()}": url for service, url in patient.vhost.urls.items()}
    lines = await patient.examined()
    assert [line for line in lines if line.level is not Level.OK] == []
    assert {line.what for line in lines} >= {
        *(
            "python",
            "packages",
            "settings of gateway",
            "disk .",
            "database",
            "clock",
            "schema",
            "rights of gateway",
            "broker",
        ),
        *("queue normalizer.raw", "broker rights", "policies", "gateway"),
        *(f"{server} as {service}" for server in ("database", "broker") for service in SERVICE_PASSWORDS),
    }


Plant = Callable[[Patient], Awaitable[None] | None]
POLICY = {"pattern": "^normalizer\\.raw$", "apply-to": "queues", "priority": 10, "definition": {"delivery-limit": 3}}
RIGHTS = {"configure": "^$", "write": "^feedmill\\.events$", "read": ".*"}


def _environment(**values: str) -> Plant:
    return lambda patient: patient.environment.update(values)


def _sql(statement: str) -> Plant:
    @_changing("database")
    def plant(patient: Patient) -> Awaitable[None]:
        return patient.sql(statement)

    return plant


def _changing(what: str) -> Callable[[Plant], Plant]:
    def marked(plant: Plant) -> Plant:
        plant.changes = what  # type: ignore[attr-defined] # read by _changed_by
        return plant

    return marked


def _broker(method: str, *path: str, body: object = None) -> Plant:
    @_changing("vhost")
    def plant(patient: Patient) -> None:
        full = [path[0], patient.vhost.name, *path[1:]]
        status, answer = patient.stack.broker.management().ask(method, *full, body=body)
        assert status < HTTPStatus.BAD_REQUEST, answer

    return plant


def _state(**values: object) -> Plant:
    def plant(patient: Patient) -> None:
        for name, value in values.items():
            setattr(patient, name, value)

    return plant


def _file(name: str, text: str, mode: int) -> Plant:
    def plant(patient: Patient) -> None:
        (patient.folder / name).write_text(text)
        (patient.folder / name).chmod(mode)

    return plant


@_changing("vhost")
async def _dead_letter(patient: Patient) -> None:
    connection = await aio_pika.connect(patient.vhost.urls["normalizer"])
    exchange = await (await connection.channel()).get_exchange("feedmill.dead", ensure=False)
    await exchange.publish(aio_pika.Message(b"x"), "raw.dead")
    await connection.close()


GAP = """
    INSERT INTO feed_pages (platform, kind, position, run_id, message_id, status, records)
    VALUES ('che168', 'page', 7, 'r', 'm', 'gap', 0)
"""
TOO_MANY = "GRANT DELETE ON quarantine TO feedmill_gateway"
OLD = "INSERT INTO operations_log (operation_type, platform, started_at, duration, status) VALUES"
NO_RUN = f"{OLD} ('data_fetch', 'che168', now() - interval '3 days', 1, 'OK')"
FAILED = """
    INSERT INTO operations_log (operation_type, platform, started_at, duration, status, details)
    VALUES ('data_fetch', 'che168', now(), 1, 'ERROR', 'page 7: http_401')
"""
PAUSED = "INSERT INTO sync_state (platform, paused_at) VALUES ('che168', '2026-11-20 10:00+00')"
FAULTS: dict[str, tuple[Plant, Level, str, str]] = {
    "unknown key": (_file("config.yaml", "gateway: {prot: 1}\n", 0o644), Level.ERROR, "settings of gateway", "prot"),
    "short secret": (_environment(SECRET_KEY="short"), Level.ERROR, "settings of gateway", "SECRET_KEY"),
    "no credentials": (_environment(CHE168_ACCESS_NAME=""), Level.WARNING, "source che168", "no credentials"),
    "no stand-in": (_environment(CHE168_BASE_URL="http://127.0.0.1:1/"), Level.ERROR, "source che168", "127.0.0.1:1: "),
    "open secrets": (_file(".env", "", 0o644), Level.WARNING, "file .env", "everybody"),
    "full disk": (_state(free=2**20), Level.ERROR, "disk .", "0.0 GB free"),
    "no database": (_environment(DB_PORT="1"), Level.ERROR, "database", "127.0.0.1:1/"),
    "wrong database": (_environment(DB_NAME="nobody"), Level.ERROR, "database", '"nobody" does not exist'),
    "wrong clock": (_state(late_s=600), Level.ERROR, "clock", "s apart from"),
    "old schema": (_sql("UPDATE alembic_version SET version_num = '0005'"), Level.ERROR, "schema", f"0005, {HEAD} is"),
    "new schema": (_sql("UPDATE alembic_version SET version_num = '9999'"), Level.ERROR, "schema", "newer"),
    "no grant": (
        _sql("REVOKE INSERT ON feed_pages FROM feedmill_fetcher"),
        Level.ERROR,
        "rights of fetcher",
        "missing: INSERT feed_pages",
    ),
    "too many grants": (_sql(TOO_MANY), Level.WARNING, "rights of gateway", "too many: DELETE quarantine"),
    "gap": (_sql(GAP), Level.WARNING, "gaps", "1 pages"),
    "failed run": (_sql(FAILED), Level.WARNING, "run of che168", "page 7: http_401"),
    "paused": (_sql(PAUSED), Level.WARNING, "pause of che168", "since 2026-11-20 10:00 UTC"),
    "silent feed": (_sql(NO_RUN), Level.WARNING, "feed che168", "no_run"),
    "no broker": (_environment(RABBITMQ_URL="amqp://u:p@127.0.0.1:1/v"), Level.ERROR, "broker", "127.0.0.1:1/v as u"),
    "another role's password": (_environment(DB_FETCHER_PASSWORD="x"), Level.ERROR, "database as fetcher", "password"),
    "no broker for one": (
        _environment(RABBITMQ_URL_NORMALIZER="amqp://u:p@127.0.0.1:1/v"),
        Level.ERROR,
        "broker as normalizer",
        "Connect call failed",
    ),
    "no queue": (_broker("DELETE", "queues", DEAD_QUEUE), Level.ERROR, f"queue {DEAD_QUEUE}", "missing"),
    "no exchange": (_broker("DELETE", "exchanges", "feedmill.dead"), Level.ERROR, "exchange feedmill.dead", "missing"),
    "no consumer": (_state(consumed=[COMMANDS_QUEUE]), Level.WARNING, f"queue {RAW_QUEUE}", "consumers 0"),
    "dead letter": (_dead_letter, Level.WARNING, f"queue {DEAD_QUEUE}", "messages 1"),
    "no right": (
        _broker("PUT", "permissions", "fetcher", body=RIGHTS),
        Level.ERROR,
        "broker rights",
        "may not publish to feedmill.raw",
    ),
    "too many rights": (
        _broker("PUT", "permissions", "fetcher", body=RIGHTS | {"write": "^feedmill\\.(raw|events|dead)$"}),
        Level.WARNING,
        "broker rights",
        "also publish to feedmill.dead",
    ),
    "no policy": (_broker("DELETE", "policies", "work"), Level.ERROR, "policies", "missing: work"),
    "another policy": (_broker("PUT", "policies", "work", body=POLICY), Level.WARNING, "policies", ": work"),
    "no password": (_environment(RABBITMQ_OPERATOR_PASSWORD=""), Level.WARNING, "policies", "not looked at"),
    "wrong password": (_environment(RABBITMQ_OPERATOR_PASSWORD="no"), Level.WARNING, "policies", "401"),
    "no definitions": (_state(template=Path("none.json")), Level.WARNING, "policies", "no none.json"),
    "no gateway": (_environment(API_PORT="1"), Level.ERROR, "gateway", "127.0.0.1:1"),
    "no address": (_environment(API_HOST="x:["), Level.ERROR, "gateway", "x:["),
    "no replica": (_environment(DB_READ_HOST="127.0.0.1", DB_READ_PORT="1"), Level.WARNING, "replica", "127.0.0.1:1: "),
    "promoted replica": (_environment(DB_READ_HOST="127.0.0.1"), Level.ERROR, "replica", "was promoted"),
    "gateway unready": (_state(health=HTTPStatus.SERVICE_UNAVAILABLE), Level.ERROR, "gateway", ": 503, away"),
}


TOGETHER = (
    ("short secret", "no credentials", "open secrets", "full disk", "wrong clock", "no consumer", "gateway unready"),
    ("no stand-in", "gap", "silent feed", "failed run", "paused", "no grant", "too many grants", "no replica"),
    ("promoted replica", "no queue", "too many rights", "another policy"),
    ("no exchange", "no policy"),
    ("no broker", "no gateway", "another role's password", "no broker for one"),
)
"""Faults that one examination must find beside each other; the others are planted alone."""
GROUPS = (*TOGETHER, *((name,) for name in FAULTS if name not in {one for group in TOGETHER for one in group}))


def _changed_by(names: tuple[str, ...]) -> str:
    return next((plant.changes for plant, *_ in map(FAULTS.__getitem__, names) if hasattr(plant, "changes")), "nothing")


@pytest.mark.parametrize(
    ("names", "patient"),
    [(names, _changed_by(names)) for names in GROUPS],
    indirect=["patient"],
    ids=[", ".join(names) for names in GROUPS],
)
async def test_every_fault_is_named_with_what_helps(patient: Patient, names: tuple[str, ...]) -> None:
    for name in names:
        planted = FAULTS[name][0](patient)
        if planted is not None:
            await planted
    lines = await patient.examined()
    for _, level, what, seen in map(FAULTS.__getitem__, names):
        found = [line for line in lines if line.what == what and line.level is level]
        assert len(found) == 1, written(lines)
        assert seen in found[0].seen
        assert found[0].advice
    assert is_well(lines) is all(FAULTS[name][1] is not Level.ERROR for name in names)


async def test_a_table_that_somebody_holds_is_a_line_and_ends_nothing(patient: Patient) -> None:
    patient.environment["FEEDMILL__DATABASE__LOCK_TIMEOUT_S"] = "0.1"
    async with connected(patient.database) as holder, holder.transaction():
        await holder.execute("LOCK TABLE raw_data IN ACCESS EXCLUSIVE MODE")
        lines = await patient.examined()
    found = [line for line in lines if line.what == "database" and line.level is Level.ERROR]
    assert ["lock timeout" in line.seen for line in found] == [True]
    assert "gateway" in {line.what for line in lines}


@pytest.mark.parametrize("patient", ["database"], indirect=True)
async def test_a_feed_that_is_not_followed_any_more_may_be_silent(patient: Patient) -> None:
    await patient.sql(NO_RUN)
    patient.environment["FEEDMILL__PLATFORMS__CHE168__ENABLED"] = "false"
    assert "feed che168" not in {line.what for line in await patient.examined()}


def test_the_command_prints_every_line_and_ends_with_1_where_there_is_an_error(
    patient: Patient, capsys: pytest.CaptureFixture[str]
) -> None:
    away = patient.environment["RABBITMQ_URL"].replace("@", "@127.0.0.1:1,")
    for name, value in (patient.environment | {"DB_PORT": "1", "API_PORT": "1", "RABBITMQ_URL": away}).items():
        patient.monkeypatch.setenv(name, value)
    assert main(["doctor"]) == 1
    said = capsys.readouterr()
    assert "error    database" in said.out
    assert "error    broker                     127.0.0.1:1/" in said.out
    assert re.fullmatch(r"\[ERROR\] \d+ error, \d+ warning, \d+ ok\n", said.err)
    assert "-> does it run, and are DB_HOST" in said.out
    assert patient.environment["DB_PASSWORD"] not in said.out
    assert json.dumps(patient.environment["RABBITMQ_OPERATOR_PASSWORD"])[1:-1] not in said.out


def test_the_summary_counts_each_level() -> None:
    lines = [Line(Level.OK, "a", ""), Line(Level.WARNING, "b", "", "do"), Line(Level.OK, "c", "")]
    assert summary(lines) == "0 error, 1 warning, 2 ok"
    assert written(lines) == "ok       a  \nwarning  b  \n            -> do\nok       c  \n"
