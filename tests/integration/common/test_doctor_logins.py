"""The doctor logs in as each service whose passwords it knows, and names one that differs."""

from dataclasses import dataclass, replace

import pytest
from pydantic import SecretStr

from common.definitions import TEMPLATE
from common.doctor import broker, logins
from common.doctor.report import Level, Line, written
from common.settings import SERVICE_PASSWORDS, DatabaseSettings, role_of
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

WRONG = "as-nobody-knows-it"


@dataclass(frozen=True)
class Knowledge:
    """What a doctor knows of one service."""

    service: str
    database: DatabaseSettings
    url: str

    @property
    def secrets(self) -> set[str]:
        """The passwords in it."""
        return {self.database.password.get_secret_value(), self.url.split("@")[0].rpartition(":")[2]}

    def of_database(self, **changed: object) -> "Knowledge":
        """Return the same with other settings of the database."""
        return replace(self, database=self.database.model_copy(update=changed))

    async def tried(self) -> list[Line]:
        """Return what is said of it; no password of it is."""
        lines = [line async for line in logins.lines(self.service, self.database, self.url)]
        assert not [secret for secret in self.secrets if lines and secret in written(lines)]
        return lines


@pytest.fixture(params=SERVICE_PASSWORDS)
def known(stack: Stack, vhost: Vhost, module_database: DatabaseSettings, request: pytest.FixtureRequest) -> Knowledge:
    """All that is right, for each service."""
    service = request.param
    own = {"user": role_of(service), "password": SecretStr(stack.env()[SERVICE_PASSWORDS[service]])}
    return Knowledge(service, module_database.model_copy(update=own), vhost.urls[service])


only_fetcher = pytest.mark.parametrize("known", ["fetcher"], indirect=True)


async def test_a_service_is_let_in_with_its_own_passwords(known: Knowledge) -> None:
    assert [(line.level, line.what) for line in await known.tried()] == [
        (Level.OK, f"database as {known.service}"),
        (Level.OK, f"broker as {known.service}"),
    ]


async def test_passwords_that_differ_are_named(known: Knowledge) -> None:
    other = known.of_database(password=SecretStr(WRONG))
    of_database, of_broker = await replace(other, url=_with_password(known.url, WRONG)).tried()
    assert (of_database.level, of_database.what) == (Level.ERROR, f"database as {known.service}")
    assert of_database.seen == f'password authentication failed for user "feedmill_{known.service}"'
    assert SERVICE_PASSWORDS[known.service] in of_database.advice
    assert (of_broker.level, of_broker.what) == (Level.ERROR, f"broker as {known.service}")
    assert "ACCESS_REFUSED" in of_broker.seen
    assert f"the {known.service}'s own RABBITMQ_URL" in of_broker.advice


@only_fetcher
async def test_what_is_not_known_is_not_tried(known: Knowledge) -> None:
    nothing = replace(known.of_database(user="feedmill", password=SecretStr(WRONG)), url="")
    assert await nothing.tried() == []


@only_fetcher
async def test_a_virtual_host_that_does_not_let_in_is_named(known: Knowledge) -> None:
    another = replace(known, url=known.url.replace("?", "-not?"))
    [line] = [line for line in await another.tried() if line.level is Level.ERROR]
    shut = "the virtual host does not exist, or is shut to this user"
    assert (line.what, line.seen) == ("broker as fetcher", shut)
    [line] = [line async for line in broker.amqp_lines(another.url, TEMPLATE, timeout_s=60)]
    assert (line.what, line.seen.partition(": ")[2]) == ("broker", shut)


@only_fetcher
async def test_an_address_that_is_none_is_named(known: Knowledge) -> None:
    [line] = [line for line in await replace(known, url=known.url[1:]).tried() if line.level is Level.ERROR]
    assert line.what == "broker as fetcher"
    assert "amqp[s]://" in line.seen


@only_fetcher
async def test_servers_that_are_away_are_named(known: Knowledge) -> None:
    away = replace(known.of_database(port=1), url="amqp://fetcher:secret@127.0.0.1:1/feedmill")
    lines = await away.tried()
    assert [line.level for line in lines] == [Level.ERROR, Level.ERROR]
    assert ["Connect call failed" in line.seen for line in lines] == [True, True]
    assert lines[0].advice == "does it run, and are DB_HOST and DB_PORT of the fetcher right?", "no word of passwords"


@only_fetcher
async def test_one_node_of_several_is_enough(known: Knowledge) -> None:
    before, _, after = known.url.partition("@")
    two = replace(known, url=f"{before}@127.0.0.1:1,{after}")
    assert [line.level for line in await two.tried()] == [Level.OK, Level.OK]


def _with_password(url: str, password: str) -> str:
    before, _, after = url.partition("@")
    return f"{before.rpartition(':')[0]}:{password}@{after}"
