"""`GET /collect-data` as a table: what each source does, what comes, and when.

Asked over HTTP. The three roads are the real ones (ORM, SQL, COPY), only their connections are mocks. Times are those
of a virtual clock, read to a tenth of a second and printed (`pytest -s`). `make soak` measures the same in real time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import product
from typing import Any, Final

import httpx
import pytest
from tests.contract.gateway.fakes import a_client, some_parts
from tests.unit.gateway.adapters.test_sources import Mocks

from common.testing.clock import VirtualClock
from gateway.core.aggregate import FanOut

pytestmark = pytest.mark.unit

TICK_S: Final = 0.1
ROADS: Final = ("orm", "sql", "copy")
IDS: Final = ([*range(1, 11), *range(31, 41)], [*range(11, 21), *range(41, 51)], [*range(21, 31), *range(51, 61)])

BEHAVIOURS: Final[Mapping[str, tuple[str, float]]] = {
    "up": ("ok", 0.0),
    "failing": ("missing;reason=error", 0.0),
    "wrong shape": ("missing;reason=error", 0.0),
    "slow by 1.9 s": ("ok", 1.9),
    "slow by 2.1 s": ("missing;reason=timeout", 2.0),
    "slow by 60 s": ("missing;reason=timeout", 2.0),
    "deaf for 1.9 s": ("ok", 1.9),
    "deaf for 2.1 s": ("missing;reason=timeout", 2.0),
    "deaf for 60 s": ("missing;reason=timeout", 2.0),
}
"""What a source may do; what is said of it then, and after how many seconds the answer comes at the earliest."""

UP_OR_FAILING = list(product(["up", "failing"], repeat=3))
ONE_ODD = [
    tuple(odd if place == own else "up" for place in range(3))
    for own, odd in product(range(3), BEHAVIOURS)
    if odd not in {"up", "failing"}
]
MANY_ODD = [
    ("slow by 1.9 s", "slow by 2.1 s", "slow by 60 s"),
    ("deaf for 60 s", "deaf for 60 s", "deaf for 60 s"),
    ("deaf for 2.1 s", "failing", "slow by 1.9 s"),
    ("wrong shape", "deaf for 1.9 s", "failing"),
    ("slow by 60 s", "wrong shape", "up"),
]


def mocked(road: str, behaviour: str, ids: Sequence[int], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a source on a mocked connection that behaves so."""
    mocks = Mocks(monkeypatch)
    mocks.answer([(number, f"Test {number}") for number in ids])
    if behaviour == "failing":
        mocks.fail(OSError("refused"))
    elif behaviour == "wrong shape":
        mocks.answer([(1, None)])
    elif behaviour != "up":
        delay_s = float(behaviour.split()[2])
        for call in (mocks.connection.fetch, mocks.connection.copy_from_query, mocks.session.scalars):
            call.side_effect = delayed(call, clock, delay_s, deaf=behaviour.startswith("deaf"))
    return mocks.source(road)


def delayed(call: Any, clock: VirtualClock, delay_s: float, *, deaf: bool) -> Callable[..., Awaitable[Any]]:
    """Return what a call does, but later; `deaf`: it goes on when it is cancelled, as a driver that swallows it."""
    at_once, answer = call.side_effect, call.return_value

    async def late(*arguments: Any, **named: Any) -> Any:
        waiting = asyncio.ensure_future(clock.sleep(delay_s))
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                if not deaf:
                    waiting.cancel()
                    raise
        return answer if at_once is None else await at_once(*arguments, **named)

    return late


async def answered(clock: VirtualClock, asking: "asyncio.Task[httpx.Response]") -> float:
    """Move the clock tick by tick until the answer is there; return the seconds that it took."""
    started = clock.monotonic()
    await clock.advance(0)
    while not asking.done():
        await clock.advance(TICK_S)
    return round(clock.monotonic() - started, 1)


@pytest.mark.parametrize("row", [*UP_OR_FAILING, *ONE_ODD, *MANY_ODD], ids=" | ".join)
async def test_what_comes_and_when(row: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock(auto_advance=False)
    table = reversed(list(zip(ROADS, row, IDS, strict=True)))  # the last session made is used
    sources = [mocked(road, behaviour, ids, clock, monkeypatch) for road, behaviour, ids in table][::-1]
    parts = await some_parts(sources=sources, fan_out=FanOut(clock=clock, timeout_s=2))
    async with a_client(parts) as client:
        asking = asyncio.create_task(client.get("/collect-data"))
        took_s = await answered(clock, asking)
        answer = await asking
    said, moments = zip(*(BEHAVIOURS[behaviour] for behaviour in row), strict=True)
    print(f"{' | '.join(row):<50} {took_s:.1f} s  {len(answer.json())} records  {answer.headers['X-Sources']}")  # noqa: T201 - the table
    assert answer.status_code == 200
    assert answer.headers["X-Sources"] == ", ".join(f"{place};{word}" for place, word in enumerate(said, start=1))
    there = sorted(number for ids, word in zip(IDS, said, strict=True) if word == "ok" for number in ids)
    assert answer.json() == [{"id": number, "name": f"Test {number}"} for number in there]
    assert took_s == max(moments)
    await clock.advance(60)
    assert asyncio.all_tasks() == {asyncio.current_task()}
