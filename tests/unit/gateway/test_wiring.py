"""What is set reaches those who act on it: each setting has a value that no other one has."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.catching import GC, Catcher, CaughtError

from common.settings import BrokerSettings, DatabaseSettings, PlatformSettings
from common.testing.clock import VirtualClock
from gateway import app
from gateway.settings import GatewaySection, GatewaySettings, SourcesSection

pytestmark = pytest.mark.unit

SECTION = GatewaySection(
    port=1,
    secret_key=SecretStr("0123456789abcdef0123456789abcdef"),
    docs_access="open",
    info_access="token",
    read_timeout_s=1.5,
    connect_timeout_s=1.25,
    token_cache_ttl_s=3.5,
    rate_limit_per_minute=120,
    rate_limit_burst=7,
    processes=3,
    cors_origins=["https://cars.example"],
    autoapi_contacts=True,
    receive_timeout_s=4.5,
    send_timeout_s=11,
    most_connections=12,
    most_streams=13,
    most_exports=14,
    shutdown_timeout_s=15,
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GatewaySettings:
    """Every setting of the gateway at a value of its own, and servers that are nowhere."""
    monkeypatch.chdir(tmp_path)
    return GatewaySettings(
        database=DatabaseSettings(port=1),
        rabbitmq=BrokerSettings(url=SecretStr("amqp://127.0.0.1:1/feedmill")),
        platforms={"che168": PlatformSettings(), "off": PlatformSettings(enabled=False)},
        shops={},
        gateway=SECTION,
        sources=SourcesSection(timeout_s=1.75, pool_size=4),
    )


@pytest.fixture
def seen(settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Catcher]:
    """What the parts of a gateway were made with, by name."""
    names = ("Access", "ChangeFeed", "RateLimiter", "new_database", "new_fan_out", "create_engine", "Guard")
    catchers = {name: Catcher(getattr(app, name)) for name in names}
    catchers |= {"_listener": Catcher(lambda *_: _Listener()), "build_api": Catcher(lambda *_: None)}
    catchers["_Server"] = Catcher()
    for name, catcher in catchers.items():
        monkeypatch.setattr(app, name, catcher)
    monkeypatch.setattr(app, "gc", GC)
    del settings
    return catchers


class _Listener:
    def close(self) -> None:
        """Close nothing."""

    def getsockname(self) -> tuple[str, int]:
        """Return an address."""
        return "127.0.0.1", 1


async def test_what_serves_is_made_as_it_is_set(settings: GatewaySettings, seen: dict[str, Catcher]) -> None:
    with pytest.raises(CaughtError):
        await app.serve(settings, VirtualClock(auto_advance=False))
    parts = seen["build_api"].given[0]
    assert (parts.docs_open, parts.info_open, parts.info_only_local) == (True, False, False)
    assert (parts.most_exports, parts.cors_origins, parts.followed) == (14, ["https://cars.example"], {"che168"})
    assert parts.dialects["che168"].extras_field is None
    usual = settings.model_copy(update={"gateway": GatewaySection()})
    assert usual.dialects["che168"].extras_field == "extra"
    assert seen["Access"].known["cache_ttl_s"] == 3.5
    assert seen["Access"].known["key"] == b"0123456789abcdef0123456789abcdef"
    assert seen["ChangeFeed"].known["most_listeners"] == 13
    limiter = seen["RateLimiter"].known
    assert (limiter["quota"].burst, limiter["quota"].interval_s, limiter["processes"]) == (7, 0.5, 3)
    assert seen["new_fan_out"].known["timeout_s"] == 1.75


async def test_each_pool_has_its_own_bounds(settings: GatewaySettings, seen: dict[str, Catcher]) -> None:
    with pytest.raises(CaughtError):
        await app.serve(settings, VirtualClock(auto_advance=False))
    pools: list[Any] = [given[0] for given, _ in seen["new_database"].calls]
    bounds = [(pool.pool_size, pool.statement_timeout_s, pool.connect_timeout_s) for pool in pools]
    assert bounds == [
        (5, 1.5, 1.25),  # reads
        (14, app.EXPORT_STATEMENT_TIMEOUT_S, 1.25),  # exports
        *[(4, 1.85, 2.25)] * 2,  # two of the sources, behind their deadline
        (2, app.QUOTA_TIMEOUT_S, app.QUOTA_TIMEOUT_S),  # limits
    ]
    first = seen["create_engine"].given[0]
    assert (first.pool_size, first.statement_timeout_s, first.connect_timeout_s) == (4, 1.85, 2.25)


async def test_connections_are_bounded_as_it_is_set(settings: GatewaySettings, seen: dict[str, Catcher]) -> None:
    with pytest.raises(CaughtError):
        await app.serve(settings, VirtualClock(auto_advance=False))
    guard, config = seen["Guard"].known, seen["_Server"].given[0]
    assert (guard["receive_timeout_s"], guard["most_connections"]) == (4.5, 12)
    assert guard["policy"] == SECTION.quota.policy
    assert (config.timeout_graceful_shutdown, config.proxy_headers) == (15, False)
