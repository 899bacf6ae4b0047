"""The `Store` and `Transaction` ports: the same suite on the fake and on PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec import structs
from tests.contract.normalizer.shelves import Page, Shelf, a_key

from common.events import InnerId
from common.testing.pages import FETCHED_AT
from normalizer.core.errors import PoisonError, TransientError
from normalizer.core.merge import NEVER, LooseField, RawRow
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import (
    CatalogueChange,
    CataloguePrice,
    CatalogueRow,
    Key,
    LedgerPage,
    Reject,
    StoredRow,
    Transaction,
)

pytestmark = pytest.mark.contract


def a_raw_row(inner_id: str = "7", **values: Any) -> RawRow:
    row = RawRow(
        platform="che168",
        inner_id=InnerId(inner_id),
        data=b'{"mark": "BMW"}',
        change_type="added",
        source="initial_load",
        source_id="5",
        created_at=datetime(2025, 8, 5, 8, 18, 10, 679000, tzinfo=UTC),
        active=True,
        base_seq=99,
        base_sight=1_700_000_000_000_000_123,
        field_seq={},
        active_seq=99,
        max_seq=99,
        loose={},
    )
    return structs.replace(row, **values)


def a_ledger_page(message_id: str = "che168:page:1:run1", **values: Any) -> LedgerPage:
    page = LedgerPage("che168", "page", 1, "run1", message_id, FETCHED_AT, records=20, quarantined=0)
    return replace(page, **values)


def a_catalogue_row(raw: RawRow) -> CatalogueRow:
    offer, _ = normalise(raw.data, PlatformProfile())
    return CatalogueRow(raw, offer)


async def insert(transaction: Transaction, *rows: RawRow, processed: bool = True) -> None:
    await transaction.insert_rows([StoredRow(row, 1) for row in rows], processed=processed)


EVERYTHING = a_raw_row(
    data=b'{"a": 1.50, "b": [18446744073709551616, null, true], "c": "\xe8\xa5\xbf"}',
    field_seq={"price": 2**61 + 1, "new_x": 130},
    loose={
        "new_y": LooseField(2**61 + 3, b'{"z": 1}', "y", b"null"),
        "new_z": LooseField(150, b'"v"'),
        "new_q": LooseField(160, b"1.50", "new_q"),
    },
)
BARE = a_raw_row(
    base_seq=NEVER, base_sight=NEVER, active_seq=NEVER, source_id=None, created_at=None, active=False, data=b"{}"
)


@pytest.mark.parametrize(
    "row", [EVERYTHING, BARE, structs.replace(EVERYTHING, field_seq={}), structs.replace(EVERYTHING, loose={})]
)
async def test_a_row_comes_back_as_it_was_written(shelf: Shelf, row: RawRow) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, row)
    async with shelf.store.transaction() as transaction:
        found = await transaction.lock_rows([a_key("7"), a_key("8")])
    assert found == {a_key("7"): StoredRow(row, 1, waits=False)}


async def test_an_updated_row_comes_back_as_it_was_written(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row())
        await transaction.update_rows([StoredRow(EVERYTHING, 2)], processed=True)
        assert await transaction.lock_rows([a_key("7")]) == {a_key("7"): StoredRow(EVERYTHING, 2, waits=False)}


@pytest.mark.parametrize(("news", "data"), [(b'{"a":2}', {"a": 2, "b": None}), (b"{}", {"a": 1, "b": None})])
async def test_an_updated_row_takes_what_is_new_and_keeps_the_rest(
    shelf: Shelf, news: bytes, data: dict[str, Any]
) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row(data=b'{"a":1,"b":null}'))
        row = a_raw_row(data=msgspec.json.encode(data), active=False)
        await transaction.update_rows([StoredRow(row, 2, news=news)], processed=True)
        found = (await transaction.lock_rows([a_key("7")]))[a_key("7")]
    assert (msgspec.json.decode(found.row.data), found.row.active, found.page_id) == (data, False, 2)


EXCERPTS = {a_key(number): {"price", "won"} for number in "1234"}


async def test_of_a_document_that_the_catalogue_holds_only_what_is_asked_for_is_read(shelf: Shelf) -> None:
    document = b'{"price":1,"mark":"BMW","note":{"price":2}}'
    loose = {"new_y": LooseField(150, b'"v"', "new_y")}
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row("1", data=document), a_raw_row("5", data=document))
        await insert(transaction, a_raw_row("2", data=document, loose=loose))
        await insert(transaction, a_raw_row("3", data=document, field_seq={"loose": 7}))
        await insert(transaction, a_raw_row("4", data=document), processed=False)
    async with shelf.store.transaction() as transaction:
        found = await transaction.lock_rows([a_key(number) for number in "12345"], EXCERPTS)
    read = {key.inner_id: msgspec.json.decode(row.row.data) for key, row in found.items() if row.is_excerpt}
    assert read.pop("1") == {"price": 1, "won": None}
    assert read.keys() <= {"3"}, "whose document has a field of the name `loose`: whole is right as well"
    assert all(msgspec.json.decode(found[a_key(number)].row.data) == msgspec.json.decode(document) for number in "245")


async def test_a_row_that_was_read_in_part_is_written_with_what_is_new(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row("1", data=b'{"price":1,"mark":"BMW"}'))
        before = (await transaction.lock_rows([a_key("1")], EXCERPTS))[a_key("1")]
        row = structs.replace(before.row, data=b'{"price":7,"won":null}', max_seq=100)
        await transaction.update_rows([replace(before, row=row, page_id=2, news=b'{"price":7}')], processed=True)
    after = (await shelf.raw())["1"]
    assert (after.data, after.max_seq, after.page_id) == ({"price": 7, "mark": "BMW"}, 100, 2)


async def test_inserting_says_what_was_unknown_and_leaves_the_known_alone(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row("7"))
        rows = [StoredRow(a_raw_row("7", max_seq=5000), 2), StoredRow(a_raw_row("8"), 2)]
        assert await transaction.insert_rows(rows, processed=True) == {a_key("8")}
    raw = await shelf.raw()
    assert (raw["7"].max_seq, raw["7"].page_id, raw["8"].page_id) == (99, 1, 2)


async def test_what_has_no_row_is_unknown(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row("7"), a_raw_row("8"))
        keys = [a_key("7"), a_key("9"), Key("encar", "7")]
        assert await transaction.unknown(keys) == {a_key("9"), Key("encar", "7")}


async def test_a_transaction_that_raises_leaves_nothing(shelf: Shelf) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what has to be undone
        async with shelf.store.transaction() as transaction:
            await transaction.record_pages([a_ledger_page()])
            await insert(transaction, a_raw_row())
            await transaction.write_catalogue([a_catalogue_row(a_raw_row())])
            await transaction.log_changes([CatalogueChange(a_key("7"), "added", b"{}")])
            raise ZeroDivisionError
    assert (await shelf.raw(), await shelf.listed(), await shelf.changes(), await shelf.pages()) == ({}, {}, [], {})


async def test_a_savepoint_that_raises_undoes_only_itself(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row("7"))
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - as above
            async with transaction.savepoint():
                await insert(transaction, a_raw_row("8"))
                raise ZeroDivisionError
        async with transaction.savepoint():
            await insert(transaction, a_raw_row("9"))
    assert sorted(await shelf.raw()) == ["7", "9"]


@pytest.mark.parametrize(
    "data", [b'{"n":1e131073}', b'{"a":"\\u0000"}', b'{"a":[{"b":1e999999}]}'], ids=["number", "NUL", "deep"]
)
async def test_what_jsonb_refuses_is_poison_and_the_savepoint_saves_the_rest(shelf: Shelf, data: bytes) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row("7"))
        with pytest.raises(PoisonError):
            async with transaction.savepoint():
                await insert(transaction, a_raw_row("8", data=data))
        with pytest.raises(PoisonError):
            async with transaction.savepoint():
                await transaction.update_rows([StoredRow(a_raw_row("7", data=data), 1)], processed=True)
    assert list(await shelf.raw()) == ["7"]


async def test_the_largest_number_that_jsonb_holds_is_no_poison(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row(data=b'{"n":1e131071}'))


async def test_pages_are_recorded_once_and_keep_their_ids(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        first = await transaction.record_pages([a_ledger_page("a"), a_ledger_page("b")])
    async with shelf.store.transaction() as transaction:
        again = await transaction.record_pages([a_ledger_page("b", quarantined=3), a_ledger_page("c")])
    assert (again["b"], len({*first.values(), *again.values()})) == (first["b"], 3)
    pages = await shelf.pages()
    assert pages["b"] == Page(first["b"], "landed", records=20, landed=17, quarantined=3)
    assert sorted(pages) == ["a", "b", "c"]


async def test_rows_wait_until_they_are_marked(shelf: Shelf) -> None:
    keys = [a_key(number) for number in "123"]
    async with shelf.store.transaction() as transaction:
        await insert(transaction, *(a_raw_row(key.inner_id) for key in keys), processed=False)
        await transaction.mark_processed([keys[1]])
    async with shelf.store.transaction() as transaction:
        assert sorted(await transaction.lock_unprocessed([*keys, a_key("9")])) == [keys[0], keys[2]]
        assert {key.inner_id: row.waits for key, row in (await transaction.lock_rows(keys)).items()} == {
            "1": True,
            "2": False,
            "3": True,
        }


async def test_pending_rows_come_in_pages(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, *(a_raw_row(str(number)) for number in range(5)), processed=False)
        await transaction.mark_processed([a_key("3")])
    found, after = [], 0
    for _ in range(3):
        keys, after = await shelf.store.pending(limit=2, after=after)
        found.append([key.inner_id for key in keys])
    assert found == [["0", "1"], ["2", "4"], []]


async def test_an_error_is_counted_and_kept_until_the_row_changes_or_is_normalised(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await insert(transaction, a_raw_row("1"), a_raw_row("2"), a_raw_row("3"), processed=False)
        await transaction.mark_processed([a_key("3")])
        for number in "1123":
            await transaction.mark_error(a_key(number), "why\x00\ud800")
        assert not (await transaction.lock_rows([a_key("1")]))[a_key("1")].waits
    raw = await shelf.raw()
    assert {number: raw[number].error_count for number in "123"} == {"1": 2, "2": 1, "3": 0}
    assert (raw["1"].last_error or "").startswith("why")
    async with shelf.store.transaction() as transaction:
        await transaction.update_rows([StoredRow(a_raw_row("1", max_seq=100), 1)], processed=False)
        await transaction.mark_processed([a_key("2")])
    raw = await shelf.raw()
    assert [(raw[number].error_count, raw[number].last_error) for number in "12"] == [(0, None), (0, None)]


async def test_the_catalogue_says_what_it_holds_and_who_is_visible(shelf: Shelf) -> None:
    rows = [a_raw_row("1"), a_raw_row("2", active=False), a_raw_row("3", base_seq=NEVER)]
    async with shelf.store.transaction() as transaction:
        await transaction.write_catalogue([a_catalogue_row(row) for row in rows])
        found = await transaction.listed([a_key(number) for number in "1234"])
    assert {key.inner_id: listed.is_visible for key, listed in found.items()} == {"1": True, "2": False, "3": False}
    assert msgspec.json.decode(found[a_key("1")].document) == {"mark": "BMW", "currency": "CNY"}


async def test_the_catalogue_says_its_prices(shelf: Shelf) -> None:
    rows = [a_raw_row("1", data=b'{"price":"98000.5"}'), a_raw_row("2", active=False)]
    async with shelf.store.transaction() as transaction:
        await transaction.write_catalogue([a_catalogue_row(row) for row in rows])
        found = await transaction.listed_prices([a_key(number) for number in "123"])
    assert {key.inner_id: (msgspec.json.decode(row.document), row.is_visible) for key, row in found.items()} == {
        "1": ({"price": 98000.5, "currency": "CNY"}, True),
        "2": ({"price": None, "currency": "CNY"}, False),
    }


async def test_a_catalogue_row_takes_another_price_and_keeps_the_rest(shelf: Shelf) -> None:
    row = a_raw_row()
    async with shelf.store.transaction() as transaction:
        await transaction.write_catalogue([a_catalogue_row(row)])
        await transaction.write_catalogue([CataloguePrice(row, 5.0, b'{"price":5}')])
        gone = structs.replace(row, active=False)
        await transaction.write_catalogue([CataloguePrice(gone, 5.0, b"{}")])
        found = await transaction.listed([a_key("7")])
    assert await shelf.listed() == {"7": {"mark": "BMW", "price": 5, "currency": "CNY"}}
    assert not found[a_key("7")].is_visible


async def test_a_catalogue_row_is_replaced(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        await transaction.write_catalogue([a_catalogue_row(a_raw_row())])
        await transaction.write_catalogue([a_catalogue_row(a_raw_row(data=b'{"model":"X5"}'))])
    assert await shelf.listed() == {"7": {"model": "X5", "currency": "CNY"}}


async def test_changes_keep_their_order(shelf: Shelf) -> None:
    changes = [CatalogueChange(a_key(str(number)), "changed", b'{"price":[1,2]}') for number in (3, 1, 2)]
    async with shelf.store.transaction() as transaction:
        await transaction.log_changes(changes)
    assert await shelf.changes() == [(number, "changed", {"price": [1, 2]}) for number in "312"]


async def test_a_reject_is_kept_once_and_byte_for_byte(shelf: Shelf) -> None:
    body = bytes(range(256))
    reject = Reject("che168", None, "m1", 3, "no_inner_id", "detail", body)
    for _ in range(2):
        async with shelf.store.transaction() as transaction:
            await transaction.quarantine([reject, replace(reject, index=4)])
            await transaction.quarantine([])
    assert [(kept.index, kept.reason, kept.body) for kept in await shelf.quarantine()] == [
        (3, "no_inner_id", body),
        (4, "no_inner_id", body),
    ]


async def test_a_store_that_answers_says_so(shelf: Shelf) -> None:
    await shelf.store.ping()


async def test_a_batch_of_nothing_is_fine_everywhere(shelf: Shelf) -> None:
    async with shelf.store.transaction() as transaction:
        assert await transaction.record_pages([]) == {}
        assert await transaction.unknown([]) == set()
        assert await transaction.insert_rows([], processed=True) == set()
        assert await transaction.lock_rows([]) == {}
        assert await transaction.listed_prices([]) == {}
        await transaction.update_rows([], processed=True)
        await transaction.mark_processed([])
        await transaction.write_catalogue([])
        await transaction.log_changes([])


async def test_our_own_errors_pass_as_they_are(shelf: Shelf) -> None:
    for error in (PoisonError("p"), TransientError("t")):
        with pytest.raises(type(error), match=str(error)):
            async with shelf.store.transaction():
                raise error
