"""The commands beside `run`: their exit codes, what they leave, and what the diary tells of them."""

import asyncio
import json

import aio_pika
import pytest
from pydantic import SecretStr
from tests.integration.normalizer.road import Queue, Rows, a_lander, opened_store

from common import topology
from common.errors import ConfigurationError
from common.events import encode
from common.settings import BrokerSettings, DatabaseSettings, PlatformSettings
from common.testing.pages import a_page, a_record
from normalizer.app import App
from normalizer.entrypoints.cli import DONE, FAILED, Renormalizing
from normalizer.entrypoints.dead_letters import Wish
from normalizer.settings import NormalizerSettings
from sandbox.stack import Vhost

pytestmark = pytest.mark.integration

NO_BROKER = "amqp://nobody@127.0.0.1:1/feedmill"
EVERY = Renormalizing(platform=None, inner_id=None, batch_size=1, is_rehearsal=False)
REHEARSAL = Renormalizing(platform="che168", inner_id=None, batch_size=1, is_rehearsal=True)


def an_app(database: DatabaseSettings, *, broker: str = NO_BROKER, currency: str = "CNY") -> App:
    """Return the normalizer of a mapping."""
    platforms = {"che168": PlatformSettings(currency=currency)}
    return App(
        NormalizerSettings(
            database=database, rabbitmq=BrokerSettings(url=SecretStr(broker)), platforms=platforms, shops={}
        )
    )


async def two_offers(database: DatabaseSettings) -> None:
    """Land two offers, one of which `refuse` refuses."""
    async with opened_store(database) as store:
        await a_lander(store).land([a_page([a_record("1"), a_record("2", {"mark": "poison"})])])


async def refuse(rows: Rows, *, refused: bool = True) -> None:
    """Let the catalogue refuse an offer, or take it."""
    await rows.connection.execute("ALTER TABLE processed_data DROP CONSTRAINT IF EXISTS poison")
    if refused:
        check = "CHECK (mark <> 'poison') NOT VALID"
        await rows.connection.execute(f"ALTER TABLE processed_data ADD CONSTRAINT poison {check}")


async def diary(rows: Rows) -> list[tuple[str, str, dict[str, int]]]:
    """Take what the operations log has got since."""
    found = await rows.connection.fetch("DELETE FROM operations_log RETURNING *")
    assert {row["operation_type"] for row in found} <= {"normalization"}
    return [(row["status"], row["details"], json.loads(row["counts"])) for row in found]


def stopped() -> asyncio.Event:
    """Return what a signal has set already."""
    stop = asyncio.Event()
    stop.set()
    return stop


async def test_normalize_takes_what_waits_and_fails_while_some_of_it_cannot_be_normalised(
    database: DatabaseSettings, rows: Rows
) -> None:
    await two_offers(database)
    normalizer = an_app(database)
    assert await normalizer.normalize(1) == DONE
    assert await diary(rows) == []
    await rows.connection.execute("UPDATE raw_data SET is_processed = false")
    await refuse(rows)
    assert await normalizer.normalize(1) == FAILED
    said = "normalised 2 records, 1 could not be normalised"
    assert await diary(rows) == [("ERROR", said, {"rows": 2, "records": 2, "errors": 1})]
    await refuse(rows, refused=False)
    assert await normalizer.normalize(200) == DONE
    assert await diary(rows) == [("OK", "normalised 1 records", {"rows": 1, "records": 1})]


async def test_renormalize_rehearses_or_writes_what_a_mapping_changes_and_fails_where_it_cannot_or_is_stopped(
    database: DatabaseSettings, rows: Rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("normalizer.app._stop_on_signals", asyncio.Event)
    caplog.set_level("INFO", logger="normalizer")
    await two_offers(database)
    of_korea, in_won = an_app(database, currency="KRW"), "processed_data WHERE currency = 'KRW'"
    assert await of_korea.renormalize(REHEARSAL) == DONE
    assert (await rows.count(in_won), await diary(rows)) == (0, [])
    assert "currency: 2 records" in caplog.messages
    with monkeypatch.context() as at_once:
        at_once.setattr("normalizer.app._stop_on_signals", stopped)
        assert await of_korea.renormalize(EVERY) == FAILED
    assert caplog.messages[-1].startswith("Stopped; the next start goes on there")
    assert await diary(rows) == [("OK", "normalised 0 records", {})]
    assert await of_korea.renormalize(EVERY) == DONE
    assert await rows.count(in_won) == 2
    assert await diary(rows) == [("OK", "normalised 2 records", {"records": 2, "changed": 2})]
    await refuse(rows)
    assert await an_app(database).renormalize(REHEARSAL) == FAILED
    assert await an_app(database).renormalize(EVERY) == FAILED
    assert [status for status, *_ in await diary(rows)] == ["ERROR"]
    assert await rows.count(in_won) == await rows.count("raw_data WHERE NOT is_processed") == 1


async def test_renormalize_refuses_a_platform_that_is_not_configured() -> None:
    with pytest.raises(ConfigurationError, match=r"--platform nowhere: not configured; known: .*che168"):
        await an_app(DatabaseSettings()).renormalize(Renormalizing("nowhere", None, 1, is_rehearsal=True))


async def test_replay_dead_lands_what_is_meant_and_fails_where_it_is_no_event_even_now(
    database: DatabaseSettings, vhost: Vhost, queue: Queue, rows: Rows
) -> None:
    url = vhost.urls["normalizer"]
    async with await aio_pika.connect(url) as connection:
        dead = await (await connection.channel()).get_exchange(topology.DEAD_EXCHANGE, ensure=False)
        for reason, body in (("unknown_platform", encode(a_page([a_record("3")]))), ("not_json", b"nonsense")):
            message = aio_pika.Message(body, headers={"x-reason": reason}, delivery_mode=2)
            await dead.publish(message, topology.DEAD_KEY)
    normalizer = an_app(database, broker=url)
    assert await normalizer.replay_dead(Wish(reason="unknown_platform")) == DONE
    assert [(status, details) for status, details, _ in await diary(rows)] == [("OK", "normalised 1 records")]
    assert await normalizer.replay_dead(Wish()) == FAILED
    assert await diary(rows) == []
    assert (await rows.count("raw_data"), await queue.ready(topology.DEAD_QUEUE)) == (1, 1)
