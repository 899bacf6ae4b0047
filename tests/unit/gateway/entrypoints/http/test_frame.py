"""What every answer carries, what is refused before it is looked at, and what is logged."""

import logging

import httpx
import pytest
from tests.contract.gateway.fakes import FakeOffers, FakeStatus, a_client, some_parts

from common.db.revision import HEAD
from common.errors import UnavailableError
from gateway.core.errors import QueryTimeoutError
from gateway.core.ports import OfferPage, StoredItem
from gateway.core.query import OfferQuery, Position

pytestmark = pytest.mark.unit


class BrokenOffers(FakeOffers):
    """An OfferReader with a bug."""

    async def page(self, query: OfferQuery, after: Position | None) -> OfferPage:
        """Fail with what no client may see."""
        raise RuntimeError(f"secret detail of {query} {after}")

    async def find(self, inner_id: str, platform: str | None) -> list[StoredItem]:
        """Fail likewise."""
        raise KeyError(inner_id, platform)


async def get(path: str, *, headers: dict[str, str] | None = None, **known: object) -> httpx.Response:
    """Ask once, with a valid token."""
    async with a_client(await some_parts(**known)) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("path", ["/offers", "/offers?x=1", "/nothing", "/health/live", "/status"])
async def test_every_answer_carries_the_protective_headers(path: str) -> None:
    answer = await get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["X-Request-Id"] == "id-1"
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "taken"), [("abc-1.2_3", "abc-1.2_3"), ("", "id-1"), ("x" * 65, "id-1"), ("a b", "id-1"), ("{}", "id-1")]
)
async def test_a_request_id_of_the_client_is_kept_when_it_is_plain(sent: str, taken: str) -> None:
    answer = await get("/nothing", headers={"X-Request-Id": sent})
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"] == taken


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nothing", 404, "Not found"),
        ("GET", "/offers/", 404, "Not found"),
        ("POST", "/offers", 405, "Method not allowed"),
        ("DELETE", "/offers/1", 405, "Method not allowed"),
        ("OPTIONS", "/status", 405, "Method not allowed"),
        ("GET", "/offers/unknown", 404, "Not found"),
        ("GET", "/offers/%00", 422, "Invalid parameters"),
        ("GET", "/offers/" + "x" * 201, 422, "Invalid parameters"),
        ("GET", "/offers?cursor=abc", 400, "Invalid cursor"),
        ("GET", "/offers?mark=%FF", 422, "Invalid parameters"),
        ("GET", "/offers?" + "&".join(f"a{n}=1" for n in range(70)), 422, "Invalid parameters"),
        ("GET", "/offers?mark=" + "x" * 4096, 414, "Address too long"),
        ("GET", "/health/live?x=1", 422, "Invalid parameters"),
    ],
)
async def test_every_error_is_a_problem(method: str, path: str, status: int, title: str) -> None:
    async with a_client(await some_parts()) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["title"], body["request_id"]) == (status, title, "id-1")
    assert answer.headers.get("Allow") == ("GET, HEAD" if status == 405 else None)


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("GET", "/offer", "Check the path and the id; /docs lists all paths."),
        ("POST", "/offers", "Everything here is read only: GET, and HEAD for the headers alone."),
        ("GET", "/offers?mark=%FF", "the query is not UTF-8"),
        ("GET", "/offers?cursor=abc", "the cursor is damaged or was given for another query; start again without it"),
    ],
)
async def test_an_error_says_what_to_do(method: str, path: str, detail: str) -> None:
    async with a_client(await some_parts()) as client:
        answer = await client.request(method, path)
    assert answer.json()["detail"] == detail


@pytest.mark.parametrize(
    ("failure", "title"),
    [
        (UnavailableError("the database does not answer"), "Not available now"),
        (QueryTimeoutError("too slow"), "The query took too long"),
    ],
)
async def test_a_database_that_fails_is_a_503_with_a_time_to_wait(failure: Exception, title: str) -> None:
    answer = await get("/offers", offers=FakeOffers(failure=failure))  # type: ignore[arg-type] # both are ours
    assert (answer.status_code, answer.json()["title"], answer.headers["Retry-After"]) == (503, title, "5")


@pytest.mark.parametrize("path", ["/offers", "/offers/1"])
async def test_a_bug_is_a_500_that_tells_nothing_but_the_id(path: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = await get(path, offers=BrokenOffers())
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "/docs#problem-internal",
        "title": "Internal error",
        "status": 500,
        "request_id": "id-1",
    }
    failed = next(record for record in caplog.records if record.exc_info)
    assert "request_id=id-1" in failed.getMessage()


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (FakeStatus("0000"), f"the database's schema is at 0000, {HEAD} is needed"),
        (FakeStatus(None), f"the database's schema is at None, {HEAD} is needed"),
        (FakeStatus(failure=UnavailableError("the database does not answer")), "the database does not answer"),
        (FakeStatus(failure=QueryTimeoutError("narrow it")), "the database does not answer in time"),
    ],
    ids=["old", "empty", "away", "hanging"],
)
async def test_a_gateway_that_is_not_ready_says_why_and_lives(status: FakeStatus, detail: str) -> None:
    answer = await get("/health/ready", status=status)
    assert (answer.status_code, answer.json()["detail"]) == (503, detail)
    assert (await get("/health/live", status=status)).status_code == 200


async def test_a_body_is_refused() -> None:
    async with a_client(await some_parts()) as client:
        answer = await client.request("GET", "/offers", content=b"{}")
    assert (answer.status_code, answer.json()["detail"]) == (413, "a body is not expected here")
    assert answer.headers["Connection"] == "close"


async def test_head_answers_as_get_without_the_body() -> None:
    async with a_client(await some_parts()) as client:
        head, full = await client.head("/offers"), await client.get("/offers")
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "ratelimit": ""} == {**full.headers, "ratelimit": ""}


async def test_a_request_is_one_line_without_values_or_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await get("/offers?mark=canary&limit=5")
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert lines == ["request method=GET route=/offers status=200 ms=0.0 caller=1 id=id-1"]


async def test_probes_are_logged_for_those_who_look_closely_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await get("/health/live")
    assert [record for record in caplog.records if record.name == "gateway.access"] == []
