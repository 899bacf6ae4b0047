"""What is set reaches those who act on it: each setting has a value that no other one has."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.catching import Catcher, CaughtError

from common import memory
from common.settings import BrokerSettings, DatabaseSettings, PlatformSettings, ShopSettings
from normalizer import app
from normalizer.core.offers.record import PlatformProfile
from normalizer.settings import NormalizerSection, NormalizerSettings

pytestmark = pytest.mark.unit

PLATFORM = PlatformSettings(
    currency="KRW",
    price_field="a",
    price_multiplier=2,
    full_price_field="b",
    changed_fields={"new_a": "a"},
    power_field="c",
    displacement_unit="cc",
    registration_field="d",
    extras_field="e",
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NormalizerSettings:
    """Every setting of the normalizer at a value of its own."""
    monkeypatch.chdir(tmp_path)
    return NormalizerSettings(
        database=DatabaseSettings(port=1, connect_timeout_s=9),
        rabbitmq=BrokerSettings(
            url=SecretStr("amqp://127.0.0.1:1/feedmill"), publish_timeout_s=11, reconnect_interval_s=12
        ),
        platforms={"encar": PLATFORM},
        shops={"bot_igor": ShopSettings(currency="EUR")},
        normalizer=NormalizerSection(
            batch_records=40,
            linger_s=0.25,
            transactions_in_flight=2,
            prefetch_messages=13,
            give_back_after_s=14,
            stop_within_s=15,
            stalled_after_s=16,
        ),
    )


async def test_it_consumes_as_it_is_set(settings: NormalizerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Catcher()
    monkeypatch.setattr(memory, "settle", lambda: None)
    monkeypatch.setattr(app, "RawConsumer", consumer)
    with pytest.raises(CaughtError):
        await app.App(settings).run()
    how = consumer.given[0]
    assert (how.limits.weight, how.limits.linger_s, how.in_flight, how.prefetch) == (40, 0.25, 2, 13)
    assert (how.give_back_after_s, how.stop_within_s, how.stalled_after_s) == (14, 15, 16)
    assert (how.publish_timeout_s, how.reconnect_interval_s) == (11, 12)
    assert how.platforms == {"encar", "bot_igor"}


@pytest.mark.parametrize(
    ("pool_size", "in_flight", "expected"), [(1, 2, 3), (2, 2, 3), (3, 2, 3), (7, 2, 7), (5, 5, 6)]
)
async def test_each_batch_in_flight_has_a_connection_and_there_is_one_more(
    settings: NormalizerSettings, monkeypatch: pytest.MonkeyPatch, pool_size: int, in_flight: int, expected: int
) -> None:
    pool = Catcher()
    monkeypatch.setattr(memory, "settle", lambda: None)
    monkeypatch.setattr(app, "create_pool", pool)
    update = {
        "database": DatabaseSettings(port=1, pool_size=pool_size),
        "normalizer": NormalizerSection(transactions_in_flight=in_flight, prefetch_messages=100),
    }
    with pytest.raises(CaughtError):
        await app.App(settings.model_copy(update=update)).run()
    assert pool.given[0].pool_size == expected


def test_a_platform_is_read_as_it_is_set(settings: NormalizerSettings) -> None:
    known = app.profiles(settings)
    assert known["encar"] == PlatformProfile(
        currency="KRW",
        price_field="a",
        price_multiplier=2,
        full_price_field="b",
        renames={"new_a": "a"},
        power_field="c",
        displacement_unit="cc",
        registration_field="d",
        extras_field="e",
    )
    assert known["bot_igor"].currency == "EUR"
