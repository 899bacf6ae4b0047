"""Every path is closed but the probes and, where it is so set, the documentation."""

import pytest
from tests.contract.gateway.fakes import OTHER_TOKEN, TOKEN, a_client, some_parts

from gateway.entrypoints.http.auth import credential

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}0"},
        {"Authorization": f"Bearer {OTHER_TOKEN}"},
        {"Authorization": "Bearer \xe9"},
        {"X-API-Key": ""},
        {"X-API-Key": OTHER_TOKEN},
        {"Cookie": f"token={TOKEN}"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/offers", "/offers/1", "/status", "/nothing/there", f"/offers?api_key={TOKEN}"])
async def test_without_a_valid_token_the_answer_is_always_the_same(headers: dict[str, str], path: str) -> None:
    async with a_client(await some_parts(), token=None) as client:
        raw = [(name, value.encode("latin-1")) for name, value in headers.items()]
        answer = await client.get(path, headers=raw)  # type: ignore[arg-type] # bytes let a header be no ASCII
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="feedmill"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/docs#problem-unauthorized",
        "title": "A valid token is needed",
        "status": 401,
        "detail": "a valid token is needed: Authorization: Bearer <token>, or X-API-Key: <token>",
        "request_id": "id-1",
    }


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bEARER  {TOKEN}"}, {"x-api-key": TOKEN}],
    ids=["bearer", "case and space", "x-api-key"],
)
async def test_a_token_is_taken_from_either_header(headers: dict[str, str]) -> None:
    async with a_client(await some_parts(), token=None) as client:
        assert (await client.get("/offers", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")],
        [("Authorization", f"Bearer {TOKEN}"), ("X-API-Key", TOKEN)],
    ],
    ids=["twice", "both"],
)
async def test_two_credentials_are_malformed(headers: list[tuple[str, str]]) -> None:
    async with a_client(await some_parts(), token=None) as client:
        answer = await client.get("/offers", headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (400, "Malformed request")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_probes_are_open(path: str) -> None:
    async with a_client(await some_parts(docs_open=False), token=None) as client:
        assert (await client.get(path)).json() == {"status": "ok"}


async def test_metrics_are_open_and_text() -> None:
    async with a_client(await some_parts(docs_open=False), token=None) as client:
        answer = await client.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'feedmill_feed_findings{finding="no_added",platform="che168"} 1.0\n' in answer.text


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
@pytest.mark.parametrize(("docs_open", "status"), [(True, 200), (False, 401)])
async def test_the_documentation_is_open_where_it_is_so_set(path: str, *, docs_open: bool, status: int) -> None:
    async with a_client(await some_parts(docs_open=docs_open), token=None) as client:
        assert (await client.get(path)).status_code == status
    async with a_client(await some_parts(docs_open=docs_open)) as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/health/live/", "//health/live", "/health/live/../../offers", "/HEALTH/live"])
async def test_a_path_that_only_looks_like_a_probe_is_closed(path: str) -> None:
    async with a_client(await some_parts(), token=None) as client:
        assert (await client.get(f"http://gateway{path}")).status_code == 401


def test_the_credential_is_the_one_that_was_sent() -> None:
    assert credential([]) is None
    assert credential([(b"authorization", b"Bearer abc ")]) == "abc"
    assert credential([(b"x-api-key", b" abc")]) == "abc"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:5555", 200),
        ("localhost:5555", 200),
        ("LOCALHOST", 200),
        ("[::1]:5555", 200),
        ("127.9.9.9", 200),
        ("cars.example", 401),
        ("cars.example:5555", 401),
        ("127.0.0.1.cars.example", 401),
        ("127.0.0.1@cars.example", 401),
        ("localhost.cars.example", 401),
        ("[::1", 401),
        ("", 401),
    ],
)
async def test_what_is_open_on_this_machine_is_so_only_to_those_who_name_it(host: str, status: int) -> None:
    async with a_client(await some_parts(info_open=True, info_only_local=True), token=None) as client:
        assert (await client.get("/info", headers={"Host": host})).status_code == status
    async with a_client(await some_parts(info_open=True, info_only_local=True)) as client:
        assert (await client.get("/info", headers={"Host": host})).status_code == 200
    async with a_client(await some_parts(info_open=True), token=None) as client:
        assert (await client.get("/info", headers={"Host": host})).status_code == 200
