"""Pages of listed origins may read answers, errors included; others may not, and nobody's cookies count."""

import httpx
import pytest
from tests.contract.gateway.fakes import TOKEN, FakeOffers, a_client, some_parts

from common.testing.offers import a_processed_offer

pytestmark = pytest.mark.unit

LISTED = "https://cars.example"
ORIGINS = (LISTED, "http://localhost:3000")
OTHERS = (
    *(
        "https://cars.example.evil.example",
        "https://evil-cars.example",
        "http://cars.example",
        "https://cars.example:8443",
    ),
    *("https://CARS.example", "https://cars.example/", "null", "*", ""),
)


async def asked(method: str, path: str, origins: tuple[str, ...] = ORIGINS, **headers: str) -> httpx.Response:
    """Ask without a token unless `headers` bring one; underscores of their names are hyphens."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with a_client(await some_parts(cors_origins=origins), token=None) as client:
        return await client.request(method, path, headers=sent)


def said(answer: httpx.Response) -> dict[str, str]:
    """Return what an answer says to browsers."""
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(
    ("path", "token", "status"),
    [("/offers", TOKEN, 200), ("/offers", "wrong", 401), ("/nothing", TOKEN, 404), ("/offers?x=1", TOKEN, 422)],
)
async def test_a_listed_origin_may_read_every_answer(origin: str, path: str, token: str, status: int) -> None:
    answer = await asked("GET", path, Origin=origin, X_API_Key=token)
    assert (answer.status_code, answer.headers["Vary"]) == (status, "Origin")
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert {"ETag", "RateLimit", "X-Request-Id"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))


ALWAYS_READABLE = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}
"""By the standard, whatever a server says."""
FOR_THE_BROWSER = {"allow", "connection", "content-security-policy", "referrer-policy", "vary", "www-authenticate"}
FOR_THE_BROWSER |= {"x-accel-buffering", "x-content-type-options"}


@pytest.mark.parametrize(
    ("path", "brings"),
    [
        ("/offers", {"x-data-as-of", "x-request-id", "ratelimit", "ratelimit-policy"}),
        ("/offers/1", {"etag"}),
        ("/offers/export", {"content-disposition"}),
        ("/collect-data", {"x-sources"}),
        ("/search?q=a", {"x-sources"}),
        ("/products", set()),
        ("/nothing", set()),
        ("/info", set()),
    ],
)
async def test_a_script_may_read_every_header_that_is_not_for_the_browser(path: str, brings: set[str]) -> None:
    offers = FakeOffers([a_processed_offer(inner_id="1")])
    async with a_client(await some_parts(cors_origins=ORIGINS, offers=offers)) as client:
        answer = await client.get(path, headers={"Origin": LISTED})
    sent = {name for name in answer.headers if not name.startswith("access-control-")}
    readable = set(answer.headers["Access-Control-Expose-Headers"].lower().split(", "))
    assert brings <= sent
    assert sent - FOR_THE_BROWSER - ALWAYS_READABLE <= readable
    assert "retry-after" in readable


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_preflight_of_a_listed_origin_needs_no_token(origin: str) -> None:
    answer = await asked("OPTIONS", "/offers", Origin=origin, Access_Control_Request_Method="GET")
    assert (answer.status_code, answer.content, answer.headers["Vary"]) == (204, b"", "Origin")
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    sent = {"Authorization", "Last-Event-ID", "Traceparent", "Content-Type"}
    assert sent <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("origin", OTHERS)
async def test_any_other_origin_is_told_nothing(origin: str) -> None:
    answer = await asked("GET", "/offers", Origin=origin, X_API_Key=TOKEN)
    assert (answer.status_code, said(answer), answer.headers["Vary"]) == (200, {}, "Origin")
    preflight = await asked("OPTIONS", "/offers", Origin=origin, Access_Control_Request_Method="GET")
    assert (preflight.status_code, said(preflight)) == (401, {})


async def test_credentials_are_never_allowed() -> None:
    for method in ("GET", "OPTIONS"):
        answer = await asked(method, "/offers", Origin=LISTED, Access_Control_Request_Method="GET", Cookie="a=b")
        assert "access-control-allow-credentials" not in answer.headers


async def test_without_a_list_nothing_is_said_of_origins() -> None:
    answer = await asked("GET", "/offers", (), Origin=LISTED, X_API_Key=TOKEN)
    assert (answer.status_code, said(answer)) == (200, {})
    assert "Vary" not in answer.headers


async def test_a_page_that_differs_by_accept_says_so_besides() -> None:
    answer = await asked("GET", "/info", Origin=LISTED, X_API_Key=TOKEN)
    assert answer.headers.get_list("Vary", split_commas=True) == ["Accept", "Origin"]
