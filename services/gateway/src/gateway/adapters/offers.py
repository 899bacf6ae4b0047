"""The catalogue in PostgreSQL: JSON is made by the server and passed through as text."""

import json
from collections.abc import Sequence
from typing import Any, Final

from gateway.adapters.database import Readable
from gateway.adapters.offer_sql import (
    FILTERS_OF_SOURCES,
    FIND,
    FIND_ANYWHERE,
    Statement,
    capped,
    counted,
    grouped,
    skips,
    stretches,
)
from gateway.core.facets import FACETS, Facets, ValueCount, most_frequent
from gateway.core.ports import OfferPage, StoredItem, Total
from gateway.core.query import Condition, OfferQuery, Position
from gateway.core.search import Search, offers_asked

COUNTED: Final = 1000
"""How many offers an estimate counts before it guesses."""


class PostgresOffers:
    """OfferReader on `processed_data`."""

    def __init__(self, database: Readable) -> None:
        self._database = database

    async def page(self, query: OfferQuery, after: Position | None) -> OfferPage:
        """Return one page; a row more than asked for tells whether others follow."""
        if query.skip:
            after = await self._skipped(query)
            if after is None:
                return OfferPage([], None)
        rows: list[Any] = []
        for stretch in stretches(query, after):
            rows += await self._rows(stretch, query.limit + 1 - len(rows))
            if len(rows) > query.limit:
                break
        shown = rows[: query.limit]
        last = _position(query, shown[-1]) if len(rows) > len(shown) else None
        return OfferPage([row["body"] for row in shown], last)

    async def _skipped(self, query: OfferQuery) -> Position | None:
        """Return the offer at place `skip`, from 1; None: there are not that many."""
        left = query.skip
        for walk in skips(query):
            rows = await self._rows(walk, left)
            left -= rows[0]["number"] if rows else 0
            if left == 0:
                return _position(query, rows[0])
        return None

    async def total(self, conditions: Sequence[Condition], *, exact: bool) -> Total:
        """Return the count; an estimate counts up to `COUNTED`, and asks the planner where there are more."""
        if exact:
            return Total((await self._rows(counted(conditions)))[0]["total"], exact=True)
        ((text,),) = await self._rows(capped(conditions, most=COUNTED + 1))
        limit = json.loads(text)[0]["Plan"]
        number = int(limit["Actual Rows"])
        if number <= COUNTED:
            return Total(number, exact=True)
        return Total(max(number, limit["Plans"][0]["Plan Rows"]), exact=False)

    async def facets(self, conditions: Sequence[Condition]) -> Facets:
        """Return the counts of all values."""
        total = 0
        found: dict[str, list[ValueCount]] = {name: [] for name in FACETS}
        for row in await self._rows(grouped(conditions)):
            if row["place"] < 0:
                total = row["number"]
            elif row[row["place"]] is not None:
                found[FACETS[row["place"]]].append(ValueCount(row[row["place"]], row["number"]))
        return Facets(total, {name: most_frequent(counts) for name, counts in found.items()})

    async def filters(self, platform: str | None) -> Sequence[str]:
        """Return the filters of the sources."""
        return [row["body"] for row in await self._database.fetch(FILTERS_OF_SOURCES, platform)]

    async def _rows(self, statement: Statement, *more: object) -> Sequence[Any]:
        ask = self._database.fetch_planned if statement.planned else self._database.fetch
        return await ask(statement.sql, *statement.values, *more)

    async def find(self, inner_id: str, platform: str | None) -> Sequence[StoredItem]:
        """Return the offers with this id."""
        if platform is None:
            rows = await self._database.fetch(FIND_ANYWHERE, inner_id)
        else:
            rows = await self._database.fetch(FIND, inner_id, platform)
        return [StoredItem(row["platform"], row["body"]) for row in rows]

    async def search(self, search: Search) -> Sequence[str]:
        """Return the newest listed offers with all words: the list with `q`, so by `processed_data_words_idx`."""
        query = offers_asked(search)
        return [] if query is None else (await self.page(query, None)).items


def _position(query: OfferQuery, row: Any) -> Position:
    has_value = query.sort.field is not None and row["key"] is not None
    return Position(str(row["key"]) if has_value else None, row["id"])
