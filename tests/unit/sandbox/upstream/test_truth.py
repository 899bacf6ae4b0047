"""The truth tells the final state of every offer, page by page."""

from typing import Any

import httpx
import pytest
from tests.unit.sandbox.upstream.conftest import Upstream

TRUTH = "http://upstream/_sandbox/truth"


async def _truth(client: httpx.AsyncClient, limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        body = (await client.get(TRUTH, params={"after": after, "limit": limit})).json()
        assert len(body["result"]) <= limit
        rows += body["result"]
        after = body["next_after"]
    return rows


async def test_pages_of_any_size_give_the_same_truth_in_order(upstream: Upstream) -> None:
    client = upstream(offers=150)
    whole = await _truth(client, 5_000)
    assert [int(row["inner_id"]) for row in whole] == sorted({int(row["inner_id"]) for row in whole})
    assert await _truth(client, 7) == whole


async def test_the_truth_agrees_with_the_list_and_with_single_offers(upstream: Upstream) -> None:
    client = upstream(offers=150)
    shown: dict[str, Any] = {}
    for page in range(1, 9):
        for row in (await client.get(f"/offers?page={page}")).json()["result"]:
            if row["data"]["url"]:
                shown[row["inner_id"]] = row["data"]
    truth = await _truth(client, 5_000)
    assert {row["inner_id"]: row["data"] for row in truth if row["active"] and row["listed"]} == shown
    for row in truth:
        status = (await client.get("/offer", params={"inner_id": row["inner_id"]})).status_code
        assert status == (200 if row["active"] else 404)


async def test_the_summary_counts_the_truth(upstream: Upstream) -> None:
    client = upstream(offers=150)
    truth = await _truth(client, 5_000)
    summary = (await client.get(f"{TRUTH}/summary")).json()
    assert summary["known"] == len(truth)
    assert summary["active"] == sum(row["active"] for row in truth)
    assert summary["listed"] == 150 == sum(row["active"] and row["listed"] for row in truth)


@pytest.mark.parametrize("query", ["limit=0", "limit=many", "limit=999999", "after=x"])
async def test_a_question_without_meaning_is_refused(upstream: Upstream, query: str) -> None:
    assert (await upstream().get(f"{TRUTH}?{query}")).status_code == 422


async def test_there_is_nothing_else_to_ask(upstream: Upstream) -> None:
    assert (await upstream().get("http://upstream/_sandbox/secrets")).status_code == 404
