"""From landed rows to the catalogue, and what the downstream feed says of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Any, Final

import msgspec

from common.events import ChangeType
from normalizer.core.drift import Drift
from normalizer.core.errors import PoisonError
from normalizer.core.merge import RawRow
from normalizer.core.offers.fields import Reading
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import Offer, PlatformProfile
from normalizer.core.ports import CatalogueChange, CatalogueRow, Key, Listed, Transaction
from normalizer.core.products.catalogue import write_shops
from normalizer.core.products.record import ShopProfile
from normalizer.core.profiles import Profiles

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
IN_PLACE: Final = frozenset({"price"})
"""The fields that are written without the others: what most changes say."""
_NONE_READ: Final[Mapping[Key, Reading]] = MappingProxyType({})


class _Held(Offer, frozen=True, gc=False, forbid_unknown_fields=True):
    """An offer as the catalogue holds it."""


_decode_held: Final = msgspec.json.Decoder(_Held).decode
_values_of: Final = attrgetter(*Offer.__struct_fields__)


async def write_catalogue(
    transaction: Transaction,
    profiles: Profiles,
    *,
    new: Sequence[RawRow],
    known: Sequence[RawRow],
    counts: Counter[str],
    drift: Counter[Drift],
    readings: Mapping[Key, Reading] = _NONE_READ,
) -> list[CatalogueChange]:
    """Normalise rows of an open transaction, write them to their tables and return what changed for readers.

    The changes are for `log_changes`, the transaction's last statement.

    Args:
        transaction: Holds the rows locked.
        profiles: Platform → what its fields mean.
        new: Rows that were never in the catalogue.
        known: Rows that may be there.
        counts: Gets `odd.<field>:<reason>` for values that could not be read or mapped.
        drift: Gets the same with their words, of offers.
        readings: What was decoded of their documents on the way here.

    Raises:
        PoisonError: A row cannot be normalised; its text names the offer.
        TransientError: As the transaction says.
    """
    shops = {name: profile for name, profile in profiles.items() if isinstance(profile, ShopProfile)}
    of_shops = [row for row in (*new, *known) if row.platform in shops]
    if of_shops:
        new, known = ([row for row in rows if row.platform not in shops] for rows in (new, known))
    old = await transaction.listed([_key(row) for row in known]) if known else {}
    written = [
        compared(row, _offer(row, profiles, readings.get(key), counts, drift), old.get(key))
        for key, row in sorted(((_key(row), row) for row in (*new, *known)), key=itemgetter(0))
    ]
    if written:
        await transaction.write_catalogue([row for row, _ in written])
    changes = [change for _, change in written if change is not None]
    return changes + await write_shops(transaction, shops, of_shops, counts=counts)


def compared(raw: RawRow, offer: Offer, old: Listed | None) -> tuple[CatalogueRow, CatalogueChange | None]:
    """Return what is to be written, and what readers of the catalogue see change; None: nothing."""
    if old is None:
        return CatalogueRow(raw, offer), _change(raw, None, {})
    diff = _changes(old.document, offer)
    is_little = diff.keys() <= IN_PLACE and all(is_now is not None for _, is_now in diff.values())
    news = _encode({name: is_now for name, (_, is_now) in diff.items()}) if is_little else None
    return CatalogueRow(raw, offer, news), _change(raw, old, diff)


def _change(raw: RawRow, old: Listed | None, diff: Mapping[str, Sequence[Any]]) -> CatalogueChange | None:
    """Return whether an offer comes, goes, or has other fields."""
    was_visible = old is not None and old.is_visible
    is_visible = raw.active and raw.is_complete
    key = _key(raw)
    if is_visible and not was_visible:
        return CatalogueChange(key, ChangeType.ADDED.value, b"{}")
    if was_visible and not is_visible:
        return CatalogueChange(key, ChangeType.REMOVED.value, b"{}")
    return CatalogueChange(key, ChangeType.CHANGED.value, _encode(diff)) if is_visible and diff else None


def _changes(old: bytes, new: Offer) -> dict[str, list[Any]]:
    """Return `difference` of an offer's document and an offer."""
    try:
        held = _decode_held(old)
    except msgspec.ValidationError:  # another version of ours wrote it
        return difference(_decode(old), msgspec.to_builtins(new))
    pairs = zip(Offer.__struct_fields__, _values_of(held), _values_of(new), strict=True)
    return {name: [_said(was), _said(is_now)] for name, was, is_now in pairs if was != is_now}


def _said(value: Any) -> Any:
    """Return a field as documents have it: an empty list or object is left out of them."""
    return None if isinstance(value, (list, dict)) and not value else value


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return `{field: [old, new]}` of two JSON objects; a field that is not there is null."""
    names = dict.fromkeys([*old, *new])
    return {name: [was, is_now] for name in names if (was := old.get(name)) != (is_now := new.get(name))}


def _offer(
    row: RawRow, profiles: Profiles, reading: Reading | None, counts: Counter[str], drift: Counter[Drift]
) -> Offer:
    profile = profiles.get(row.platform)
    if not isinstance(profile, PlatformProfile):
        raise PoisonError(f"{row.platform}/{row.inner_id}: platform is not configured")
    try:
        offer, odd = normalise(row.data, profile, reading)
    except Exception as error:
        # Whatever a value makes our code do, it must cost that one record and never the queue.
        raise PoisonError(f"{row.platform}/{row.inner_id}: {type(error).__name__}: {error}") from error
    for oddity in odd:
        counts[f"odd.{oddity.field}:{oddity.reason}"] += 1
        drift[Drift(row.platform, *oddity)] += 1
    return offer


def _key(row: RawRow) -> Key:
    return Key(row.platform, row.inner_id)
