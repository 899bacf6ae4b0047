"""A feedmill that is fed by another feedmill's `/api/v2`: both end with the same catalogue."""

import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from tests.conftest import settings_of
from tests.e2e.conftest import MakeRoad
from tests.e2e.road import Road, roles_of, until
from tests.e2e.test_daily_update import QUICK, ended, now, told, update

from fetcher.adapters.attic import STATEMENTS
from gateway.core.tokens import digest, new_token
from sandbox.stack import Stack
from sandbox.upstream.server import UpstreamProcess

OWN = ("id", "created_at", "updated_at", "max_seq", "source_created_at")
"""Columns that tell when and how a row came, not what the offer is."""

LISTED = "SELECT * FROM processed_data WHERE active_status = 0 AND is_complete"
KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Fed:
    """What a road knows of its upstream; here it is a gateway."""

    base_url: str
    api_key: str
    admin: str = ""


@pytest.fixture
def port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.fixture
def second_road(stack: Stack, migrated_template: str, tmp_path: Path, port: int) -> Iterator[Road]:
    """A road of its own database and virtual host from a gateway on `port`."""
    name = f"test_{secrets.token_hex(4)}"
    stack.create_database(name, template=migrated_template)
    folder = tmp_path / "second"
    folder.mkdir()
    fed = Fed(f"http://127.0.0.1:{port}/api/v2/che168", new_token(secrets.choice))
    upstream, roles = cast("UpstreamProcess", fed), roles_of(stack)
    road = Road(settings_of(stack, name), stack.create_vhost(name), upstream, folder, roles=roles)
    yield road
    road.stop()
    stack.delete_vhost(name)
    stack.drop_database(name)


async def catalogue(road: Road) -> Mapping[str, Mapping[str, Any]]:
    """Return what is listed, by inner id."""
    async with road.connection() as connection:
        rows = [dict(row) for row in await connection.fetch(LISTED)]
    return {row["inner_id"]: {name: row[name] for name in row if name not in OWN} for row in rows}


async def contacts(road: Road) -> int:
    """Return how many records hold a telephone number."""
    async with road.connection() as connection:
        found: int = await connection.fetchval("SELECT count(*) FROM raw_data WHERE data::text LIKE '%400-000-0000%'")
        return found


async def forgotten(road: Road) -> int:
    """Let 100 days pass over the changes that are there, remove the old ones, and return how many."""
    async with road.connection() as connection:
        await connection.execute("UPDATE catalog_changes SET changed_at = changed_at - interval '100 days'")
        removed: int = await connection.fetchval(STATEMENTS["catalog_changes"], now() - timedelta(days=90), 100_000)
        return removed


async def test_the_second_equals_the_first_after_the_load_and_after_three_days(
    make_road: MakeRoad, second_road: Road, port: int
) -> None:
    begin = now()
    first = make_road(
        *("--offers", "300", "--seed", "6", "--changes-per-day", "200"),
        *("--now", (begin - timedelta(days=3)).isoformat()),
    )
    async with first.connection() as connection:
        token = digest(second_road.upstream.api_key, KEY.encode())
        await connection.execute("INSERT INTO api_tokens (token) VALUES ($1)", token)
    first.start("normalizer", "run")
    second_road.start("normalizer", "run")
    gateway = first.start("gateway", "run", API_PORT=str(port))
    assert await first.load() == 0
    await first.landed()
    await until(lambda: _answers(port), within_s=60, what="the gateway answers")

    assert await second_road.load() == 0, second_road.services[-1].said()
    await second_road.landed()
    loaded = await catalogue(first)
    assert len(loaded) > 200
    assert await catalogue(second_road) == loaded

    await told(first, "POST", "clock", {"now": begin.isoformat()})
    await update(first)
    await update(second_road)
    changed = await catalogue(first)
    assert changed != loaded
    assert await catalogue(second_road) == changed
    assert second_road.upstream.api_key not in gateway.said()
    assert await contacts(first) > 0
    assert await contacts(second_road) == 0, "numbers of inspectors do not leave"

    await told(first, "POST", "clock", {"now": (begin + timedelta(hours=48)).isoformat()})
    await update(first)
    assert await forgotten(first) > 0
    later = await catalogue(first)
    assert changed.keys() - later.keys(), "of some offers nothing is left but a change that nobody can read any more"
    refused = second_road.start("fetcher", "daily-update")
    assert await ended(refused) == 1
    assert "http_410: the source keeps these changes no longer; `initial-load --again`" in refused.said()
    assert await second_road.load("--again") == 0, second_road.services[-1].said()
    await second_road.landed()
    retiring = second_road.start("fetcher", "reconcile", **QUICK)
    assert await ended(retiring) == 0, retiring.said()
    await second_road.landed()
    assert await catalogue(second_road) == later

    await told(first, "POST", "clock", {"now": (begin + timedelta(hours=50)).isoformat()})
    await update(first)
    await update(second_road)
    last = await catalogue(first)
    assert last != later
    assert await catalogue(second_road) == last


async def _answers(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
