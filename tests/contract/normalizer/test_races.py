"""What others do to a row between two statements of the transaction that lands it."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import pytest
from tests.contract.normalizer.fakes import FakeStore, FakeTransaction

from common.events import PageKind
from common.testing.pages import a_change, a_page, a_record
from normalizer.core.errors import TransientError
from normalizer.core.land import Lander
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Key, StoredRow

pytestmark = pytest.mark.contract

FULL = a_page([a_record("1", {"inner_id": "1", "mark": "BMW", "price": 4})])
NEWS = a_page([a_change("1", 1000, new_price=5)], kind=PageKind.CHANGE)


def a_lander(store: FakeStore) -> Lander:
    return Lander(store, {"che168": PlatformProfile()})


@dataclass
class Racing(FakeStore):
    """Others do something between two statements."""

    kind: type[FakeTransaction] = FakeTransaction

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[FakeTransaction]:
        """Open a transaction."""
        async with super().transaction() as transaction:
            yield self.kind(self, transaction.numbers)


class DeletingTransaction(FakeTransaction):
    """Loses every row before it can be locked."""

    async def lock_rows(
        self, keys: Sequence[Key], excerpts: Mapping[Key, Collection[str]] = MappingProxyType({})
    ) -> Mapping[Key, StoredRow]:
        """Find nothing."""
        del keys, excerpts
        return {}


async def test_a_row_that_vanished_while_it_was_landed_is_no_defect_but_a_reason_to_try_again() -> None:
    store = FakeStore()
    await a_lander(store).land([FULL])
    with pytest.raises(TransientError, match="deleted"):
        await a_lander(Racing(tables=store.tables, kind=DeletingTransaction)).land([NEWS])


class CrossedTransaction(FakeTransaction):
    """Every offer gets its row right after the question whether it has one."""

    async def unknown(self, keys: Sequence[Key]) -> set[Key]:
        """Know none."""
        return set(keys)


async def test_a_row_that_another_inserted_meanwhile_is_merged_and_not_replaced() -> None:
    store = Racing(kind=CrossedTransaction)
    await a_lander(store).land([FULL])
    await a_lander(store).land([NEWS])
    (row,) = store.tables.raw.values()
    assert json.loads(row.stored.row.data) == {"inner_id": "1", "mark": "BMW", "price": 5}
