"""Where an offer comes from, told by the tables that the normalizer itself has written."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.integration.gateway.conftest import Served, opened
from tests.lent import connected

from common.db.session import create_pool
from common.events import PageFetched, PageKind
from common.settings import DatabaseSettings, TracingSettings, role_of
from common.testing.pages import a_change, a_page, a_record, a_removal
from common.tracing import sampled_below, trace_id_of
from gateway.adapters.provenance import CHANGES, PROVENANCE, PostgresProvenance
from gateway.entrypoints.http.provenance import Provenance
from normalizer.adapters.postgres import PostgresStore, prepare
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from sandbox.stack import Stack

pytestmark = pytest.mark.integration

PROFILES = {name: PlatformProfile(renames={"new_price": "price"}) for name in ("che168", "encar")}
FETCHED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUN = """
    INSERT INTO fetch_runs (run_id, platform, kind, status, pages, records, started_at, finished_at)
    VALUES ($1, 'che168', 'daily_update', 'done', 3, 60, '2026-11-20 11:00Z', '2026-11-20 12:30Z')
"""


async def land(database: DatabaseSettings, *batches: PageFetched) -> None:
    """Land each page in a batch of its own."""
    async with create_pool(database, application="test", prepare=prepare) as pool:
        lander = Lander(PostgresStore(pool, acquire_within_s=5), PROFILES)
        for page in batches:
            await lander.land([page])


def an_update(*records: Any, position: int = 1000, run_id: str = "run2") -> PageFetched:
    return a_page(list(records), kind=PageKind.CHANGE, position=position, run_id=run_id)


async def run_sql(database: DatabaseSettings, statement: str, *values: object) -> list[Any]:
    async with opened(database) as pool:
        return list(await pool.fetch(statement, *values))


async def test_page_message_run_batch_and_changes_are_told_with_their_times(
    served: Served, database: DatabaseSettings
) -> None:
    first = a_page([a_record("1", source_id="501"), a_record("2"), a_record(None)], position=7)

    await land(database, first, an_update(a_change("1", 1004, new_price=95000)))
    await run_sql(database, RUN, "run2")
    client = await served()
    told = Provenance.model_validate_json((await client.get("/offers/1/provenance")).content)
    assert (told.platform, told.inner_id, told.source, told.change_type) == ("che168", "1", "daily_update", "changed")
    assert (told.version, told.source_id, told.waiting, told.error) == (1004, None, False, None)
    assert told.page is not None
    assert (told.page.kind, told.page.position, told.page.message_id) == ("change", 1000, "che168:change:1000:run2")
    assert (told.page.status, told.page.records, told.page.landed, told.page.quarantined) == ("landed", 1, 1, 0)
    assert told.page.trace_id is None
    assert told.run is not None
    assert (told.run.run_id, told.run.kind, told.run.status, told.run.pages) == ("run2", "daily_update", "done", 3)
    assert [change.change_type for change in told.changes] == ["changed", "added"]
    feed = (await client.get("/changes?change_id=0")).json()["items"]
    own = [line["change_id"] for line in feed if line["inner_id"] == "1"]
    assert [change.change_id for change in told.changes] == own[::-1]
    assert told.page.fetched_at is not None
    assert told.fetched_at == told.page.fetched_at == FETCHED_AT
    assert told.page.landed_at == told.landed_at == told.normalised_at == told.changed_at
    assert told.page.fetched_at < told.first_landed_at < told.landed_at
    assert [change.changed_at for change in told.changes] == [told.landed_at, told.first_landed_at]


async def test_the_page_is_that_of_the_last_change_and_not_of_a_later_sight_that_said_nothing(
    served: Served, database: DatabaseSettings
) -> None:
    await land(
        database,
        a_page([a_record("1", source_id="501"), a_record(None)], position=7),
        a_page([a_record("1", source_id="502")], position=8, fetched_at=FETCHED_AT + timedelta(hours=1)),
        an_update(a_removal("2", 1001)),
    )
    client = await served()
    told = Provenance.model_validate_json((await client.get("/offers/1/provenance")).content)
    assert told.page is not None
    assert (told.page.position, told.source_id, told.run) == (7, "501", None)
    assert (told.page.records, told.page.landed, told.page.quarantined) == (2, 1, 1)
    assert (await client.get("/offers/2/provenance")).json()["change_type"] == "removed"


async def test_what_was_removed_by_age_is_null_and_what_cannot_be_normalised_says_why(
    served: Served, database: DatabaseSettings
) -> None:
    client = await served()
    await land(database, a_page([a_record("1")]))
    await run_sql(database, "DELETE FROM feed_pages")
    await run_sql(database, "DELETE FROM catalog_changes")
    told = Provenance.model_validate_json((await client.get("/offers/1/provenance")).content)
    assert (told.page, told.run, told.fetched_at, told.changes, told.changed_at) == (None, None, None, [], None)
    assert told.normalised_at == told.landed_at
    await run_sql(database, "UPDATE raw_data SET is_processed = false, error_count = 1, last_error = 'too odd'")
    told = Provenance.model_validate_json((await client.get("/offers/1/provenance")).content)
    assert (told.waiting, told.error, told.normalised_at) == (True, "too odd", None)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
async def test_the_trace_of_the_page_is_named_where_it_is_sampled(database: DatabaseSettings, ratio: float) -> None:
    numbers = range(1, 9)
    pages = [a_page([a_record(str(number))], position=number) for number in numbers]
    await land(database, *(msgspec.structs.replace(page, part=page.position % 2) for page in pages))
    below = sampled_below(TracingSettings(endpoint="http://127.0.0.1:4318", ratio=ratio))
    told = {}
    async with opened(database) as pool:
        for number in numbers:
            (found,) = await PostgresProvenance(pool, traces_below=below).provenance(str(number), None)
            told[number] = json.loads(found.body)["page"]["trace_id"]
    ids = {page.position: trace_id_of(page.platform, page.kind, page.position, page.run_id) for page in pages}
    sampled = {number: int(known[16:], 16) < ratio * 2**64 for number, known in ids.items()}
    assert told == {number: known if sampled[number] else None for number, known in ids.items()}
    assert len(set(sampled.values())) == (2 if ratio == 0.5 else 1)


async def test_an_id_of_two_platforms_is_two_offers(served: Served, database: DatabaseSettings) -> None:
    await land(database, a_page([a_record("1")]), a_page([a_record("1")], platform="encar", position=2))
    client = await served()
    assert (await client.get("/offers/1/provenance")).json()["platforms"] == ["che168", "encar"]
    for platform, position in (("che168", 1), ("encar", 2)):
        told = (await client.get(f"/offers/1/provenance?platform={platform}")).json()
        assert (told["platform"], told["page"]["position"], len(told["changes"])) == (platform, position, 1)
    assert (await client.get("/offers/1/provenance?platform=bot_igor")).status_code == 404
    assert (await client.get("/offers/3/provenance")).status_code == 404


async def test_the_last_hundred_changes_are_found_among_many_by_their_index(database: DatabaseSettings) -> None:
    await land(database, a_page([a_record("1")]))
    await run_sql(
        database,
        """
        INSERT INTO catalog_changes (platform, inner_id, change_type, diff)
        SELECT 'che168', CASE WHEN n % 100 = 0 THEN '1' ELSE n::text END, 'changed', '{}'
        FROM generate_series(1, 20000) AS n
        """,
    )
    await run_sql(database, "ANALYZE catalog_changes")
    async with opened(database) as pool:
        (found,) = await PostgresProvenance(pool).provenance("1", None)
        plan = "\n".join(row[0] for row in await pool.fetch_planned(f"EXPLAIN {PROVENANCE}", "1", None, None))
    ids = [change["change_id"] for change in json.loads(found.body)["changes"]]
    own = "SELECT change_id FROM catalog_changes WHERE inner_id = '1' ORDER BY change_id DESC"
    assert ids == [row["change_id"] for row in await run_sql(database, own)][:CHANGES]
    assert "catalog_changes_inner_id_idx" in plan
    assert "Seq Scan on catalog_changes" not in plan


async def test_the_role_of_the_gateway_may_read_all_of_it(stack: Stack, database: DatabaseSettings) -> None:
    await land(database, a_page([a_record("1")]))
    role = role_of("gateway")
    async with connected(database, user=role, password=stack.state.passwords[role]) as connection:
        assert len(await connection.fetch(PROVENANCE, "1", None, None)) == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM feed_pages")
