"""Who passes, for how long without a question, and when last uses are written."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter

import pytest
from tests.contract.gateway.fakes import KEY, OTHER_TOKEN, TOKEN, FakeTokens, some_tokens

from common.errors import UnavailableError
from common.testing.clock import VirtualClock
from gateway.core import tokens
from gateway.core.access import Access
from gateway.core.errors import UnauthorizedError
from gateway.core.ports import KnownToken

pytestmark = pytest.mark.unit


@dataclass
class CountingTokens(FakeTokens):
    """Tokens that note how many rows each statement writes."""

    written: list[int] = field(default_factory=list)

    async def mark_used(self, used_at: Mapping[int, datetime]) -> None:
        """Write when each token was last used."""
        self.written.append(len(used_at))
        await super().mark_used(used_at)


async def access_and_store(clock: VirtualClock) -> tuple[Access, FakeTokens]:
    """Return the gate and its store, which knows `TOKEN`."""
    store = await some_tokens(clock, TOKEN)
    return Access(store, key=KEY, clock=clock, cache_ttl_s=4), store


async def test_a_token_is_looked_up_once_in_its_time() -> None:
    clock = VirtualClock()
    access, store = await access_and_store(clock)
    assert [await access.admit(TOKEN) for _ in range(5)] == [1] * 5
    assert store.lookups == 1
    await clock.advance(4)
    await access.admit(TOKEN)
    assert store.lookups == 2


async def test_many_requests_at_once_are_one_question() -> None:
    access, store = await access_and_store(VirtualClock())
    asking = [asyncio.create_task(access.admit(TOKEN)) for _ in range(30)]
    await asyncio.sleep(0)  # noqa: TID251 - lets them begin, takes no time
    asking[0].cancel()
    assert await asyncio.gather(*asking[1:]) == [1] * 29
    assert store.lookups == 1


async def test_a_question_that_fails_fails_for_all_who_wait_and_is_asked_again() -> None:
    access, store = await access_and_store(VirtualClock())
    store.failure = UnavailableError("away")
    answers = await asyncio.gather(*(access.admit(TOKEN) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [UnavailableError] * 3
    store.failure = None
    assert await access.admit(TOKEN) == 1
    assert store.lookups == 2


@pytest.mark.parametrize("token", [None, "", "x", TOKEN[:-1], TOKEN[:-1] + "!", TOKEN.lower(), OTHER_TOKEN[:15] + "0"])
async def test_what_is_no_token_is_refused_without_a_question(token: str | None) -> None:
    access, store = await access_and_store(VirtualClock())
    with pytest.raises(UnauthorizedError):
        await access.admit(token)
    assert store.lookups == 0


async def test_unknown_and_malformed_tokens_are_refused_in_the_same_words() -> None:
    access, _ = await access_and_store(VirtualClock())
    said = []
    for token in (None, "x", OTHER_TOKEN):
        with pytest.raises(UnauthorizedError) as caught:
            await access.admit(token)
        said.append(str(caught.value))
    assert len(set(said)) == 1


async def test_a_key_that_makes_every_token_unknown_is_doubted_aloud_and_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    access = Access(await some_tokens(clock, TOKEN), key=b"another", clock=clock, cache_ttl_s=4)
    for token, doubts in ((None, 0), ("x", 0), (TOKEN, 1), (OTHER_TOKEN, 1), (TOKEN, 1)):
        with pytest.raises(UnauthorizedError):
            await access.admit(token)
        assert caplog.text.count("SECRET_KEY") == doubts
    assert TOKEN not in caplog.text


async def test_a_key_under_which_a_token_was_valid_is_not_doubted(caplog: pytest.LogCaptureFixture) -> None:
    access, _ = await access_and_store(VirtualClock())
    await access.admit(TOKEN)
    with pytest.raises(UnauthorizedError):
        await access.admit(OTHER_TOKEN)
    assert "SECRET_KEY" not in caplog.text


async def test_a_revoked_token_is_refused_within_five_seconds() -> None:
    clock = VirtualClock()
    access, store = await access_and_store(clock)
    await access.admit(TOKEN)
    await store.revoke(1)
    await clock.advance(5)
    with pytest.raises(UnauthorizedError):
        await access.admit(TOKEN)


async def test_a_token_expires_on_time_also_while_it_is_remembered() -> None:
    clock = VirtualClock()
    store = FakeTokens(clock)
    await store.add([tokens.digest(TOKEN, KEY)], description=None, expires_at=clock.now() + timedelta(seconds=2))
    access = Access(store, key=KEY, clock=clock, cache_ttl_s=4)
    await clock.advance(1.9)
    await access.admit(TOKEN)
    await clock.advance(0.1)
    with pytest.raises(UnauthorizedError):
        await access.admit(TOKEN)
    assert store.lookups == 1


async def test_the_time_of_a_slow_look_up_counts() -> None:
    clock = VirtualClock()

    class Slow(FakeTokens):
        async def find(self, digest: str) -> KnownToken | None:
            found = await super().find(digest)
            await clock.advance(3)
            return found

    store = Slow(clock)
    await store.add([tokens.digest(TOKEN, KEY)], description=None, expires_at=None)
    access = Access(store, key=KEY, clock=clock, cache_ttl_s=4)
    await access.admit(TOKEN)
    await store.revoke(1)
    await clock.advance(1)
    with pytest.raises(UnauthorizedError):
        await access.admit(TOKEN)


async def test_a_remembered_token_passes_while_the_database_is_away_and_no_longer() -> None:
    clock = VirtualClock()
    access, store = await access_and_store(clock)
    await access.admit(TOKEN)
    store.failure = UnavailableError("away")
    await clock.advance(3.9)
    assert await access.admit(TOKEN) == 1
    await clock.advance(0.1)
    with pytest.raises(UnavailableError):
        await access.admit(TOKEN)


async def test_last_uses_are_written_every_thirty_seconds_in_one_go() -> None:
    clock = VirtualClock(auto_advance=False)
    access, store = await access_and_store(clock)
    flushing = asyncio.create_task(access.keep_flushing())
    await clock.advance(10)
    for _ in range(100):
        await access.admit(TOKEN)
    used_at = clock.now()
    await clock.advance(19)
    assert store.rows[0].last_used_at is None
    await clock.advance(1)
    assert store.rows[0].last_used_at == used_at
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing


async def test_thirty_thousand_requests_with_twenty_tokens_write_twenty_rows() -> None:
    clock = VirtualClock()
    tokens_made = [tokens.new_token(itemgetter(n)) for n in range(20)]
    store = CountingTokens(clock)
    await store.add([tokens.digest(token, KEY) for token in tokens_made], description=None, expires_at=None)
    access = Access(store, key=KEY, clock=clock, cache_ttl_s=4)
    for number in range(30_000):
        await access.admit(tokens_made[number % 20])
    await access.flush()
    await access.flush()
    assert store.written == [20]


async def test_a_use_that_could_not_be_written_is_written_later() -> None:
    clock = VirtualClock()
    access, store = await access_and_store(clock)
    await access.admit(TOKEN)
    used_at = clock.now()
    store.failure = UnavailableError("away")
    await access.flush()
    store.failure = None
    await access.flush()
    assert store.rows[0].last_used_at == used_at
