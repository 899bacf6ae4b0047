"""The limit as a client sees it: headers on every answer, 429 with the time to wait."""

from operator import itemgetter

import httpx
import pytest
from tests.contract.gateway.fakes import KEY, OTHER_TOKEN, TOKEN, a_client, some_parts, some_tokens
from tests.contract.gateway.limits import a_limiter

from common.testing.clock import VirtualClock
from gateway.core import tokens
from gateway.core.access import Access

pytestmark = pytest.mark.unit

POLICY = '"token";q=2;w=20'


async def limited(clock: VirtualClock) -> httpx.AsyncClient:
    """Return a client that may ask twice, and once more each ten seconds."""
    return a_client(await some_parts(clock=clock, limiter=a_limiter(clock, burst=2, interval_s=10)))


async def test_every_answer_to_a_known_token_says_what_is_left() -> None:
    async with await limited(VirtualClock(auto_advance=False)) as client:
        answers = [await client.get(path) for path in ("/nothing", "/offers?x=1", "/offers", "/offers")]
    assert [answer.status_code for answer in answers] == [404, 422, 429, 429]
    assert [answer.headers["RateLimit"] for answer in answers] == [
        '"token";r=1;t=10',
        '"token";r=0;t=20',
        '"token";r=0;t=20',
        '"token";r=0;t=20',
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {POLICY}


async def test_a_refusal_is_a_problem_with_a_time_to_wait_that_is_right() -> None:
    clock = VirtualClock(auto_advance=False)
    async with await limited(clock) as client:
        for _ in range(2):
            assert (await client.get("/offers")).status_code == 200
        refused = await client.get("/offers")
        assert (refused.status_code, refused.json()["type"]) == (429, "/docs#problem-quota-exceeded")
        await clock.advance(int(refused.headers["Retry-After"]))
        assert (await client.get("/offers")).status_code == 200


@pytest.mark.parametrize(("path", "token"), [("/health/live", None), ("/offers", None), ("/offers", OTHER_TOKEN)])
async def test_where_no_token_is_known_only_the_policy_is_said(path: str, token: str | None) -> None:
    async with a_client(await some_parts(), token=token) as client:
        answer = await client.get(path)
    assert "RateLimit" not in answer.headers
    assert answer.headers["RateLimit-Policy"].startswith('"token";q=')


async def test_probes_are_not_limited() -> None:
    async with await limited(VirtualClock(auto_advance=False)) as client:
        assert {(await client.get("/health/live")).status_code for _ in range(10)} == {200}


async def test_an_address_that_guesses_is_not_looked_up_and_who_was_let_in_before_is() -> None:
    clock = VirtualClock(auto_advance=False)
    store = await some_tokens(clock, TOKEN)
    access = Access(store, key=KEY, clock=clock, cache_ttl_s=4)
    async with a_client(await some_parts(clock=clock, access=access)) as client:
        assert (await client.get("/offers")).status_code == 200
        guesses = [tokens.new_token(itemgetter(n)) for n in range(20, 45)]
        answers = [await client.get("/offers", headers={"Authorization": f"Bearer {guess}"}) for guess in guesses]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
        assert (store.lookups, answers[-1].headers["Retry-After"]) == (21, "3")
        assert (await client.get("/offers")).status_code == 200
        assert (await client.get("/offers", headers={"Authorization": "Bearer short"})).status_code == 429


async def test_a_missing_token_is_no_guess() -> None:
    async with a_client(await some_parts(), token=None) as client:
        assert {(await client.get("/offers")).status_code for _ in range(50)} == {401}
