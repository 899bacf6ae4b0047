"""Single answers of the gateway, one after another on one connection: pages far away, counts, facets."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from statistics import median
from typing import Final

import asyncpg
from tests.bench.gateways import KEY, Caller
from tests.bench.lines import Line, at_most

from gateway.core.cursor import CursorSigner
from gateway.core.query import Position, Sort, read_query

PAGE: Final = 10_000
LIMIT: Final = 20
TRIES: Final = 5
"""Of counting all offers live, which a busy machine may not do within the time that a read has."""
COUNTED: Final = ("", "mark=mark+7", "body_type=sedan&year_from=2010", "q=mark", "color=white&is_dealer=true")
FAR: Final = """
    SELECT {key} AS key, id FROM processed_data
    WHERE active_status = 0 AND is_complete AND {key} IS NOT NULL ORDER BY {key} DESC, id DESC OFFSET {skip} LIMIT 1
"""


async def cursors(connection: "asyncpg.Connection[asyncpg.Record]") -> Mapping[Sort, str]:
    """Return the cursor of page 10,000 of two orders."""
    found = {}
    for sort in (Sort.NEWEST, Sort.PRICE_DESC):
        query, _ = read_query([("sort", sort.value)])
        row = await connection.fetchrow(FAR.format(key=sort.field or "id", skip=(PAGE - 1) * LIMIT - 1))
        assert row is not None
        found[sort] = CursorSigner(KEY.encode()).sign(
            query, Position(None if sort.field is None else str(row["key"]), row["id"])
        )
    return found


def measure(caller: Caller, far: Mapping[Sort, str], *, times: int) -> Sequence[Line]:
    """Ask in turn and return the lines."""
    lines = []
    for sort, cursor in far.items():
        first_ms, far_ms = _in_turn(caller, f"/offers?sort={sort}", f"/offers?sort={sort}&cursor={cursor}", times=times)
        more = f" ({far_ms:.2f} to {first_ms:.2f} ms)"
        lines.append(at_most(f"page 10,000 by cursor, times page 1, {sort}", far_ms / first_ms, 1.5, more=more))
    return [*lines, _counted(caller, times // 4), *_facets(caller, times)]


def _in_turn(caller: Caller, *paths: str, times: int) -> Sequence[float]:
    found: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(times):
        for path in paths:
            found[path].append(caller.ms(path))
    return [median(values) for values in found.values()]


def _counted(caller: Caller, times: int) -> Line:
    took = {}
    for query in COUNTED:
        listed = f"/offers?limit=1&count=none&{query}".rstrip("&")
        alone_ms, counted_ms = _in_turn(caller, listed, listed.replace("none", "estimated"), times=times)
        took[query] = counted_ms - alone_ms
    worst = max(took, key=lambda query: took[query])
    more = f" ({worst or 'no filter'}; others " + ", ".join(f"{ms:.1f}" for query, ms in took.items() if query != worst)
    return at_most("a capped count adds to the answer", took[worst], 12, unit=" ms", more=more + ")")


def _facets(caller: Caller, times: int) -> Sequence[Line]:
    for _ in range(TRIES):
        status, _body = caller.get("/offers/facets")
        live_ms = caller.elapsed_ms
        if status == HTTPStatus.OK:
            break
    (kept_ms,) = _in_turn(caller, "/offers/facets", times=times)
    return [at_most("facets of everything, kept", kept_ms, 5, unit=" ms", more=f" (counted live {live_ms:.0f} ms)")]
