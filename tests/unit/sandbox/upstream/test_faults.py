"""Each kind of fault goes wrong in its own way, as often as its rule says."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest
from tests.unit.sandbox.upstream.conftest import NOW, Upstream

from common.testing.clock import VirtualClock
from sandbox.upstream.broken import gzip_bomb
from sandbox.upstream.faults import FaultRule
from sandbox.upstream.quirks import NO_QUIRKS

FAULTS = "http://upstream/_sandbox/faults"
CLOCK = "http://upstream/_sandbox/clock"
STATS = "http://upstream/_sandbox/stats"


async def _arm(client: httpx.AsyncClient, *rules: dict[str, Any]) -> None:
    assert (await client.post(FAULTS, json=list(rules))).status_code == 200


def _ids(body: dict[str, Any]) -> list[str]:
    return [row["inner_id"] for row in body["result"]]


async def test_a_status_rule_sends_its_code_body_and_headers_once(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "status", "code": 429, "body": {"error": "slow down"}, "headers": {"Retry-After": "7"}})
    answer = await client.get("/offers?page=1")
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (429, {"error": "slow down"}, "7")
    assert (await client.get("/offers?page=1")).status_code == 200


async def test_a_status_rule_with_a_text_sends_html(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "status", "code": 502, "body": "<h1>502 Bad Gateway</h1>"})
    answer = await client.get("/offers?page=1")
    assert (answer.status_code, answer.text) == (502, "<h1>502 Bad Gateway</h1>")
    assert answer.headers["content-type"] == "text/html"


async def test_a_delay_waits_and_then_answers(upstream: Upstream, clock: VirtualClock) -> None:
    client = upstream()
    await _arm(client, {"kind": "delay", "seconds": 45})
    assert (await client.get("/offers?page=1")).status_code == 200
    assert clock.slept == [45]


async def test_a_hang_never_answers(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "hang"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.get("/offers?page=1")


async def test_html_comes_under_200(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "html_200"})
    answer = await client.get("/offers?page=1")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize("body", [None, [], {"result": None}], ids=["default", "list", "result null"])
async def test_a_wrong_shape_is_json_without_a_result(upstream: Upstream, body: object) -> None:
    client = upstream()
    await _arm(client, {"kind": "wrong_shape"} | ({} if body is None else {"body": body}))
    answer = await client.get("/offers?page=1")
    assert answer.status_code == 200
    assert answer.json() == ({"items": [], "total": 0} if body is None else body)


async def test_not_json_is_a_whole_response_with_half_a_document(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "not_json"})
    answer = await client.get("/offers?page=1")
    assert (answer.status_code, answer.text[:11]) == (200, '{"result":[')
    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(ValueError, match=r"codec|Expecting|Unterminated"):
        json.loads(answer.content)


async def test_a_body_in_gbk_is_whole_and_no_utf8(upstream: Upstream) -> None:
    client = upstream()
    right = (await client.get("/offers?page=1")).content.decode()
    await _arm(client, {"kind": "gbk"})
    content = (await client.get("/offers?page=1")).content
    assert content == right.encode("gbk", "replace")
    with pytest.raises(UnicodeDecodeError):
        content.decode()


async def test_nothing_comes_under_200(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "empty"})
    answer = await client.get("/offers?page=1")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        pytest.param({}, "/elsewhere", id="default"),
        pytest.param({"Location": "http://127.0.0.1:1/trap"}, "http://127.0.0.1:1/trap", id="another host"),
    ],
)
async def test_a_redirect_points_elsewhere(upstream: Upstream, headers: dict[str, str], target: str) -> None:
    client = upstream()
    await _arm(client, {"kind": "redirect", "headers": headers})
    answer = await client.get("/offers?page=1")
    assert (answer.status_code, answer.headers["location"]) == (302, target)


def test_a_bomb_is_valid_gzip_and_small() -> None:
    bomb = gzip_bomb(3)
    assert gzip.decompress(bomb) == bytes(3 << 20)
    assert len(gzip_bomb(512)) < 1 << 20


async def test_a_bomb_comes_as_gzip_under_200(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "gzip_bomb"})
    async with client.stream("GET", "/offers?page=1") as answer:
        assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
        size = sum([len(part) async for part in answer.aiter_raw()])
    assert size == len(gzip_bomb(512))


@pytest.mark.parametrize(
    ("kind", "url", "ways"),
    [
        pytest.param(
            "next_page",
            "/offers?page=3",
            {"backward": 2, "same": 3, "string": "4", "negative": -1},
            id="page",
        ),
        pytest.param(
            "next_change_id",
            "/changes?change_id=8350600",
            {"backward": 8_350_580, "same": 8_350_600, "string": "8350658", "negative": -1},
            id="change",
        ),
    ],
)
async def test_a_pointer_is_wrong_in_each_way_and_the_rows_are_right(
    upstream: Upstream, kind: str, url: str, ways: dict[str, object]
) -> None:
    client = upstream(changes_per_day=50)
    right = (await client.get(url)).json()
    for way, pointer in ways.items():
        await _arm(client, {"kind": kind, "way": way})
        body = (await client.get(url)).json()
        assert body["meta"].pop(kind) == pointer
        assert body == right | {"meta": {name: value for name, value in right["meta"].items() if name != kind}}
    await _arm(client, {"kind": kind, "way": "absent"})
    assert kind not in (await client.get(url)).json()["meta"]
    assert (await client.get(url)).json() == right


async def test_a_pointer_rule_leaves_other_answers_alone(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "next_page", "way": "same", "times": None})
    assert (await client.get("/offers?page=0")).status_code == 422
    assert (await client.get("/filters")).json()["mark"]


async def test_a_dead_feed_is_at_its_end_for_so_long_and_then_brings_everything(upstream: Upstream) -> None:
    client = upstream(now=NOW, changes_per_day=50)
    await _arm(client, {"kind": "feed_dead", "seconds": 3 * 86_400})
    for day in (20, 21, 22, 23):
        await client.post(CLOCK, json={"now": f"2026-11-{day}T12:00:00Z"})
        dead = await client.get("/changes?change_id=0")
        assert dead.status_code == 200
        assert (dead.json()["result"] == []) == (day < 23)
        assert (await client.get("/offers?page=1")).json()["result"]
    assert (await client.get(FAULTS)).json() == {"fired": [3]}


async def test_a_dead_feed_without_a_span_counts_answers(upstream: Upstream) -> None:
    client = upstream(changes_per_day=50)
    await _arm(client, {"kind": "feed_dead", "endpoint": "changes", "times": 2})
    assert [len((await client.get("/changes?change_id=0")).json()["result"]) for _ in range(3)] == [0, 0, 20]


async def test_a_repeated_page_holds_the_rows_of_the_page_before(upstream: Upstream) -> None:
    client = upstream(quirks=NO_QUIRKS)
    first, second = [(await client.get(f"/offers?page={page}")).json() for page in (1, 2)]
    await _arm(client, {"kind": "repeat_page", "endpoint": "offers", "page": 2})
    repeated = (await client.get("/offers?page=2")).json()
    assert _ids(repeated) == _ids(first) != _ids(second)
    assert repeated["meta"] == second["meta"]
    assert (await client.get("/offers?page=2")).json() == second


async def test_repeated_changes_do_not_advance(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "repeat_page", "endpoint": "changes"})
    body = (await client.get("/changes?change_id=9")).json()
    assert len(body["result"]) > 0
    assert body["meta"]["next_change_id"] == body["meta"]["cur_change_id"] == 9


async def test_a_shift_puts_new_offers_in_front_and_into_the_changes(upstream: Upstream) -> None:
    client = upstream(quirks=NO_QUIRKS)
    before = [_ids((await client.get(f"/offers?page={page}")).json()) for page in (1, 2)]
    head = (await client.get("/change_id?date=2026-12-31")).json()["change_id"]
    await _arm(client, {"kind": "shift", "count": 3, "page": 2})
    shifted = _ids((await client.get("/offers?page=2")).json())
    assert shifted == [*before[0][-3:], *before[1][:17]]
    first = _ids((await client.get("/offers?page=1")).json())
    assert first[3:] == before[0][:17]
    events = (await client.get(f"/changes?change_id={head + 1}")).json()["result"]
    assert [(event["change_type"], event["inner_id"]) for event in events] == [
        ("added", i) for i in reversed(first[:3])
    ]
    assert (await client.get("/change_id?date=2026-12-31")).json()["change_id"] == events[-1]["id"]
    truth = (await client.get("http://upstream/_sandbox/truth?limit=5000")).json()["result"]
    assert {row["inner_id"] for row in truth if row["active"]} >= set(first)


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        pytest.param({"page": 2}, [2], id="page"),
        pytest.param({"nth": 2}, [2], id="second call"),
        pytest.param({"nth": 2, "times": 2}, [2, 3], id="second and third call"),
        pytest.param({"times": None}, [1, 2, 3, 4], id="for ever"),
        pytest.param({"times": 0}, [], id="never"),
        pytest.param({"endpoint": "offers"}, [1], id="endpoint"),
        pytest.param({"endpoint": "changes"}, [], id="other endpoint"),
        pytest.param({"path": "che168/off", "times": 3}, [1, 2, 3], id="part of the path"),
        pytest.param({"path": "encar"}, [], id="part of another path"),
    ],
)
async def test_a_rule_works_on_what_it_names_as_often_as_it_says(
    upstream: Upstream, rule: dict[str, Any], hit: list[int]
) -> None:
    client = upstream()
    await _arm(client, {"kind": "status", "code": 503} | rule)
    statuses = {page: (await client.get(f"/offers?page={page}")).status_code for page in range(1, 5)}
    assert [page for page, status in statuses.items() if status == 503] == hit
    assert (await client.get(FAULTS)).json() == {"fired": [len(hit)]}


async def test_the_first_rule_that_works_wins_and_the_next_takes_over(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "status", "code": 500}, {"kind": "status", "code": 502, "times": 2})
    assert [(await client.get("/filters")).status_code for _ in range(4)] == [500, 502, 502, 200]


async def test_rules_can_be_cleared_and_be_there_from_the_start(upstream: Upstream) -> None:
    client = upstream(faults=(FaultRule.parse({"kind": "status", "times": None}),))
    assert (await client.get("/filters")).status_code == 500
    await client.delete(FAULTS)
    assert (await client.get("/filters")).status_code == 200


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param({"kind": "reset"}, "list", id="no list"),
        pytest.param(["reset"], "object", id="no object"),
        pytest.param([{"kind": "melt"}], "melt", id="unknown kind"),
        pytest.param([{"kind": "reset", "when": 3}], "when", id="unknown key"),
        pytest.param([{"kind": "status", "code": "500"}], "code", id="wrong type"),
        pytest.param([{"kind": "next_page"}], "backward", id="no way"),
        pytest.param([{"kind": "next_change_id", "way": "sideways"}], "backward", id="unknown way"),
    ],
)
async def test_a_script_without_meaning_is_refused(upstream: Upstream, script: object, said: str) -> None:
    answer = await upstream().post(FAULTS, json=script)
    assert answer.status_code == 422
    assert said in answer.json()["message"]


async def test_a_script_that_is_no_json_is_refused(upstream: Upstream) -> None:
    assert (await upstream().post(FAULTS, content=b"[{")).status_code == 422


async def test_stats_count_requests_and_how_many_were_there_at_once(upstream: Upstream) -> None:
    client = upstream()
    await _arm(client, {"kind": "hang", "endpoint": "offer", "times": None})
    hanging = [asyncio.create_task(client.get("/offer?inner_id=1")) for _ in range(3)]
    await asyncio.sleep(0)  # noqa: TID251 - lets the requests begin, takes no time
    async with asyncio.timeout(60):
        while (await client.get(STATS)).json()["in_flight"] < 3:
            pass
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    await client.get("/offers?page=2")
    stats = (await client.get(STATS)).json()
    assert stats["endpoints"] == {"offer": 3, "offers": 1}
    assert stats["paths"] == {"/api/v2/che168/offer": 3, "/api/v2/che168/offers": 1}
    assert (stats["total"], stats["in_flight"], stats["max_in_flight"]) == (4, 0, 3)
    assert (stats["statuses"], stats["recent"][-1]) == ({"200": 1}, ["offers", 2])
    await client.delete(STATS)
    assert (await client.get(STATS)).json()["total"] == 0
