"""Within a request nobody goes back from the primary to a replica; the next request may."""

from collections.abc import Sequence

import pytest
from tests.contract.gateway.fakes import FakeOffers, a_client, some_parts

from common.testing.clock import VirtualClock
from gateway.core.ports import OfferPage, Total
from gateway.core.query import Condition, OfferQuery, Position
from gateway.core.reads import ReadRoute, Reason, ServerState

pytestmark = pytest.mark.unit


class Conflicting(FakeOffers):
    """Reads of which the first is ended by the replica; it notes who is to be asked before each."""

    def __init__(self, route: ReadRoute) -> None:
        super().__init__()
        self._route = route
        self.from_replica: list[bool] = []

    async def page(self, query: OfferQuery, after: Position | None) -> OfferPage:
        """Return one page, from the primary after all."""
        self.from_replica.append(self._route.chooses_replica())
        self._route.fell_back(Reason.CONFLICT, "")
        return await super().page(query, after)

    async def total(self, conditions: Sequence[Condition], *, exact: bool) -> Total:
        """Return the count."""
        self.from_replica.append(self._route.chooses_replica())
        return await super().total(conditions, exact=exact)


def a_fresh_replica() -> ReadRoute:
    """Return a route that reads it."""
    route = ReadRoute(clock=VirtualClock(), most_lag_s=10)
    for _ in range(2):
        route.looked(
            0.0,
            ServerState(in_recovery=False, system=1, timeline=1, position=1),
            ServerState(in_recovery=True, system=1, timeline=1, position=1),
        )
    assert route.chooses_replica()
    return route


async def test_after_a_read_of_the_primary_the_rest_of_the_request_reads_it_too() -> None:
    route = a_fresh_replica()
    offers = Conflicting(route)
    async with a_client(await some_parts(offers=offers, reads=route)) as client:
        for _ in range(2):
            assert (await client.get("/offers?count=exact")).status_code == 200
    assert offers.from_replica == [True, False, True, False]
