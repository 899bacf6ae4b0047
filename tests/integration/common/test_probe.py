"""A container is healthy while the servers that its service needs can be reached."""

import asyncio

import pytest
from pydantic import SecretStr

from common import probe
from common.errors import UnavailableError
from common.settings import BrokerSettings, DatabaseSettings, Settings
from sandbox.stack import Stack

PASSWORD = "S3cr3t-Value"


def a_broker(port: int) -> BrokerSettings:
    """Return settings of a broker at `port`."""
    return BrokerSettings(url=SecretStr(f"amqp://fetcher:{PASSWORD}@127.0.0.1:{port}/feedmill"))


async def test_servers_that_answer_are_healthy(stack: Stack, empty_database: DatabaseSettings) -> None:
    broker = BrokerSettings(url=SecretStr(stack.env()["RABBITMQ_URL_FETCHER"]))
    await probe.servers_answer(Settings(database=empty_database, rabbitmq=broker))


async def test_a_broker_that_is_away_is_named(empty_database: DatabaseSettings, closed_port: int) -> None:
    settings = Settings(database=empty_database, rabbitmq=a_broker(closed_port))
    with pytest.raises(UnavailableError, match=f"broker 127.0.0.1:{closed_port}") as caught:
        await probe.servers_answer(settings)
    assert PASSWORD not in str(caught.value)


async def test_a_database_that_is_away_is_named(closed_port: int) -> None:
    with pytest.raises(UnavailableError, match=f"database 127.0.0.1:{closed_port}/feedmill"):
        await probe.database_answers(DatabaseSettings(port=closed_port, password=SecretStr(PASSWORD)))


async def test_a_database_that_says_nothing_costs_the_connect_timeout(silent_port: int) -> None:
    mute = DatabaseSettings(port=silent_port, connect_timeout_s=0.2)
    with pytest.raises(UnavailableError, match="Timeout"):
        await asyncio.wait_for(probe.database_answers(mute), timeout=10)


async def test_a_database_that_does_not_exist_is_no_healthy_one(empty_database: DatabaseSettings) -> None:
    absent = empty_database.model_copy(update={"name": "no_such_catalogue"})
    with pytest.raises(UnavailableError, match="no_such_catalogue"):
        await probe.database_answers(absent)


async def test_a_broker_answers_while_one_of_its_nodes_does(stack: Stack, closed_port: int) -> None:
    port = stack.state.ports["amqp"]
    url = SecretStr(f"amqp://fetcher:{PASSWORD}@127.0.0.1:{closed_port},127.0.0.1:{port}/feedmill")
    await probe.broker_answers(BrokerSettings(url=url), timeout_s=5)


async def test_a_broker_without_any_node_is_named_by_all(closed_port: int) -> None:
    url = SecretStr(f"amqp://fetcher:{PASSWORD}@127.0.0.1:{closed_port},127.0.0.1:1/feedmill")
    with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{closed_port}: .*; broker 127\.0\.0\.1:1: ") as caught:
        await probe.broker_answers(BrokerSettings(url=url), timeout_s=5)
    assert PASSWORD not in str(caught.value)
