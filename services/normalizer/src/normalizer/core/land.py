"""Land a batch of pages: one transaction for all of it, or, where a record is poison, for all but the poison."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from common.events import ChangeType, PageFetched
from common.log import fields
from normalizer.core.bisect import culprits
from normalizer.core.catalogue import write_catalogue
from normalizer.core.drift import Drift
from normalizer.core.errors import PoisonError, TransientError
from normalizer.core.merge import RawRow, Update, changed_fields, fields_said, merge
from normalizer.core.offers.fields import Reading
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.ports import Key, LedgerPage, Reject, Store, StoredRow, Transaction
from normalizer.core.products.record import ShopProfile
from normalizer.core.products.sameness import says_the_same
from normalizer.core.profiles import Profiles
from normalizer.core.records import ReadPage, read

_log = logging.getLogger(__name__)

MAX_ERROR_TEXT: Final = 500
TOLD: Final = "told."
"""Counts of a platform's lines in the downstream feed begin with this."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One update with the message that brought it; several of one offer are folded in the order of arrival."""

    update: Update
    message_id: str
    index: int


_Work = Sequence[tuple[Key, _Arrival]]
"""In the order in which rows are locked, and for one offer in the order of arrival."""

_Grouped = Mapping[Key, Sequence[_Arrival]]
"""The same by offer."""


class _Rows(NamedTuple):
    """Rows that were written: new ones, known ones, and known ones of which only an excerpt was read."""

    new: Sequence[RawRow]
    known: Sequence[RawRow]
    excerpts: Sequence[RawRow]


class Lander:
    """Lands pages and normalises what they changed.

    Args:
        store: Where rows are kept.
        profiles: Platform → what its fields mean; the platforms that this normalizer knows.
    """

    def __init__(self, store: Store, profiles: Profiles) -> None:
        self._store = store
        self._profiles = profiles
        self._shops = frozenset(name for name, profile in profiles.items() if isinstance(profile, ShopProfile))
        self._price_fields = {
            name: profile.price_fields for name, profile in profiles.items() if isinstance(profile, PlatformProfile)
        }

    async def land(self, pages: Sequence[PageFetched]) -> Counter[str]:
        """Land pages of known platforms; when this returns, every record is a committed row or is in quarantine.

        Returns:
            Counts: pages, records, inserted, updated, unchanged, quarantined, oddities and lines told by name.

        Raises:
            TransientError: Nothing was committed, or it is unknown; the same call again is safe.
        """
        reads = [read(page, self._profiles) for page in pages]
        counts = Counter(pages=len(pages), records=sum(len(page.records) for page in pages))
        counts["quarantined"] = sum(len(page.rejected) for page in reads)
        try:
            await self._whole(reads, counts)
        except PoisonError as error:
            _log.warning(fields("batch rolled back, looking for the culprit", records=counts["records"], error=error))
            await self._all_but_poison(reads, counts)
        return counts

    async def normalise(self, keys: Sequence[Key]) -> Counter[str]:
        """Normalise landed rows that still wait for it; a culprit is flagged, its neighbours commit.

        Raises:
            TransientError: What was committed stays; the same call again is safe.
        """
        counts: Counter[str] = Counter()

        async def attempt(part: Sequence[Key]) -> None:
            found: Counter[str] = Counter()
            drift: Counter[Drift] = Counter()
            async with self._store.transaction() as transaction:
                rows = await transaction.lock_unprocessed(part)
                waiting = [rows[key].row for key in part if key in rows]
                await transaction.mark_processed(list(rows))
                changes = await write_catalogue(
                    transaction, self._profiles, new=[], known=waiting, counts=found, drift=drift
                )
                await transaction.note_drift(drift)
                await transaction.log_changes(changes)
            counts.update(found)
            counts.update(f"{TOLD}{change.key.platform}" for change in changes)

        for key, error in await culprits(sorted(keys), attempt):
            _log.error(fields("record cannot be normalised", platform=key.platform, inner_id=key.inner_id, error=error))
            counts["errors"] += 1
            async with self._store.transaction() as transaction:
                await transaction.mark_error(key, str(error)[:MAX_ERROR_TEXT])
        return counts

    async def _whole(self, reads: Sequence[ReadPage], counts: Counter[str]) -> None:
        found: Counter[str] = Counter()
        drift = _drift(reads)
        async with self._store.transaction() as transaction:
            page_ids = await transaction.record_pages(_ledger(reads))
            rows = await self._write_rows(transaction, _work(reads), page_ids, processed=True, counts=found)
            await transaction.quarantine([reject for page in reads for reject in page.rejected + page.repaired])
            changes = await write_catalogue(
                transaction,
                self._profiles,
                new=rows.new,
                known=rows.known,
                excerpts=rows.excerpts,
                counts=found,
                drift=drift,
                readings=_readings(reads),
            )
            await transaction.note_drift(drift)
            await transaction.log_changes(changes)
        counts.update(found)
        counts.update(f"{TOLD}{change.key.platform}" for change in changes)

    async def _all_but_poison(self, reads: Sequence[ReadPage], counts: Counter[str]) -> None:
        """Land raw rows in one transaction and quarantine what PostgreSQL refuses; then normalise by bisection."""
        work = _work(reads)
        found: Counter[str] = Counter()
        async with self._store.transaction() as transaction:
            page_ids = await transaction.record_pages(_ledger(reads))

            async def attempt(part: _Work) -> None:
                tried: Counter[str] = Counter()
                async with transaction.savepoint():
                    await self._write_rows(transaction, part, page_ids, processed=False, counts=tried)
                found.update(tried)

            refused = [_refused(*item, error) for item, error in await culprits(work, attempt)]
            await transaction.quarantine([r for page in reads for r in page.rejected + page.repaired] + refused)
            await transaction.record_pages(_ledger(reads, refused))
            await transaction.note_drift(_drift(reads))
        counts.update(found)
        counts["quarantined"] += len(refused)
        for reject in refused:
            who = {"platform": reject.platform, "inner_id": reject.inner_id}
            _log.error(fields("record refused", **who, error=reject.detail))
        counts.update(await self.normalise(list({key: None for key, _ in work})))

    async def _write_rows(
        self,
        transaction: Transaction,
        work: _Work,
        page_ids: Mapping[str, int],
        *,
        processed: bool,
        counts: Counter[str],
    ) -> _Rows:
        """Merge updates into their rows; return those that changed."""
        grouped: dict[Key, list[_Arrival]] = {}
        for key, arrival in work:
            grouped.setdefault(key, []).append(arrival)
        page_of = {key: page_ids[group[-1].message_id] for key, group in grouped.items()}
        new = await _inserted(transaction, grouped, page_of, processed=processed)
        known = [key for key in grouped if key not in new]
        stored = await transaction.lock_rows(known, self._excerpts(known, grouped)) if known else {}
        shops = sorted({key.platform for key in known} & self._shops)
        on_their_way = await transaction.snapshots_on_their_way(shops) if shops else {}
        changed = []
        for key in known:
            if key not in stored:
                raise TransientError(f"{key.platform}/{key.inner_id}: the row was deleted while it was landed")
            before = stored[key]
            row = _folded(before.row, key, grouped[key])
            if key.platform in self._shops and says_the_same(before.row, row):
                # What says nothing new is not written, unless an older snapshot may still come and bring other news.
                late = on_their_way.get(key.platform, ())
                row = row if any(before.row.max_seq < seq < row.max_seq for seq in late) else before.row
            if row is not before.row:
                news = changed_fields(before.row, row, [arrival.update for arrival in grouped[key]])
                assert news is not None or not before.is_excerpt  # noqa: S101 - fields_said sees to it
                changed.append(StoredRow(row, page_of[key], news=news, is_excerpt=before.is_excerpt))
            elif before.waits:
                changed.append(before)
        if changed:
            await transaction.update_rows(changed, processed=processed)
        counts.update(inserted=len(new), updated=len(changed), unchanged=len(known) - len(changed))
        return _Rows(
            list(new.values()),
            [item.row for item in changed if not item.is_excerpt],
            [item.row for item in changed if item.is_excerpt],
        )

    def _excerpts(self, known: Sequence[Key], grouped: _Grouped) -> dict[Key, frozenset[str]]:
        """Return the offers of which no more than the price is new, or that they are gone, and what makes a price."""
        return {
            key: price_fields
            for key in known
            if (price_fields := self._price_fields.get(key.platform))
            and all(
                (said := fields_said(arrival.update)) is not None and said <= price_fields for arrival in grouped[key]
            )
        }


async def _inserted(
    transaction: Transaction,
    grouped: _Grouped,
    page_of: Mapping[Key, int],
    *,
    processed: bool,
) -> dict[Key, RawRow]:
    """Insert offers that have no row and return their rows.

    An offer of which only news came nearly always has one: to ask costs less than to send a row that is not taken.
    """
    full = {key for key, group in grouped.items() if any(one.update.change_type is ChangeType.ADDED for one in group)}
    in_part = [key for key in grouped if key not in full]
    may_be_new = full | await transaction.unknown(in_part) if in_part else full
    rows = {key: _folded(None, key, group) for key, group in grouped.items() if key in may_be_new}
    stored = [StoredRow(row, page_of[key]) for key, row in rows.items()]
    inserted = await transaction.insert_rows(stored, processed=processed) if stored else set()
    return {key: row for key, row in rows.items() if key in inserted}


def _work(reads: Sequence[ReadPage]) -> _Work:
    arrivals = (
        (Key(page.page.platform, update.inner_id), _Arrival(update, page.page.message_id, index))
        for page in reads
        for index, update in page.updates
    )
    return sorted(arrivals, key=lambda item: item[0])


def _readings(reads: Sequence[ReadPage]) -> dict[Key, Reading]:
    return {Key(page.page.platform, inner_id): reading for page in reads for inner_id, reading in page.readings.items()}


def _drift(reads: Sequence[ReadPage]) -> Counter[Drift]:
    drift: Counter[Drift] = Counter()
    for page in reads:
        if page.drift:
            drift.update(page.drift)
    return drift


def _ledger(reads: Sequence[ReadPage], refused: Sequence[Reject] = ()) -> list[LedgerPage]:
    """Return one ledger line for each message; a message delivered twice in one batch is one line."""
    lines: dict[str, LedgerPage] = {}
    late = Counter(reject.message_id for reject in refused)
    for item in reads:
        page = item.page
        lines[page.message_id] = LedgerPage(
            platform=page.platform,
            kind=page.kind.value,
            position=page.position,
            run_id=page.run_id,
            message_id=page.message_id,
            fetched_at=page.fetched_at,
            records=len(page.records),
            quarantined=len(item.rejected) + late[page.message_id],
        )
    return list(lines.values())


def _folded(row: RawRow | None, key: Key, arrivals: Sequence[_Arrival]) -> RawRow:
    for arrival in arrivals:
        row = merge(row, arrival.update, platform=key.platform)
    assert row is not None  # noqa: S101 - arrivals are never empty
    return row


def _refused(key: Key, arrival: _Arrival, error: PoisonError) -> Reject:
    text = str(error)[:MAX_ERROR_TEXT]
    return Reject(key.platform, key.inner_id, arrival.message_id, arrival.index, "refused", text, arrival.update.data)
