"""From landed rows to the catalogue, and what the downstream feed says of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from common.events import ChangeType
from normalizer.core.drift import Drift
from normalizer.core.errors import PoisonError
from normalizer.core.merge import RawRow
from normalizer.core.offers.fields import Reading
from normalizer.core.offers.normalise import normalise, price_of
from normalizer.core.offers.record import Oddity, Offer, PlatformProfile
from normalizer.core.ports import CatalogueChange, CataloguePrice, CatalogueRow, Key, Listed, Transaction
from normalizer.core.products.catalogue import write_shops
from normalizer.core.products.record import ShopProfile
from normalizer.core.profiles import Profiles

T = TypeVar("T")
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_NONE_READ: Final[Mapping[Key, Reading]] = MappingProxyType({})


class _Held(Offer, frozen=True, gc=False, forbid_unknown_fields=True):
    """An offer as the catalogue holds it."""


class _HeldPrice(msgspec.Struct, frozen=True, gc=False):
    price: float | None
    currency: str


_Written = tuple[CatalogueRow | CataloguePrice, CatalogueChange | None]
"""What is to be written, and what readers of the catalogue see change; None: nothing."""

_decode_held: Final = msgspec.json.Decoder(_Held).decode
_decode_held_price: Final = msgspec.json.Decoder(_HeldPrice).decode
_values_of: Final = attrgetter(*Offer.__struct_fields__)


async def write_catalogue(
    transaction: Transaction,
    profiles: Profiles,
    *,
    new: Sequence[RawRow],
    known: Sequence[RawRow],
    excerpts: Sequence[RawRow] = (),
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
        excerpts: Rows whose documents are new in their `price_fields` at most, and are known by these alone.
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
    priced = await _priced(transaction, profiles, excerpts, counts, drift) if excerpts else {}
    others = [key for key, one in priced.items() if one is None]
    if others:
        known = [*known, *(stored.row for stored in (await transaction.lock_rows(others)).values())]
    old = await transaction.listed([_key(row) for row in known]) if known else {}
    whole = {
        key: compared(row, _offer(row, profiles, readings.get(key), counts, drift), old.get(key))
        for key, row in ((_key(row), row) for row in (*new, *known))
    }
    written = [one for _, one in sorted((priced | whole).items(), key=itemgetter(0)) if one is not None]
    if written:
        await transaction.write_catalogue([row for row, _ in written])
    changes = [change for _, change in written if change is not None]
    return changes + await write_shops(transaction, shops, of_shops, counts=counts)


async def _priced(
    transaction: Transaction,
    profiles: Profiles,
    excerpts: Sequence[RawRow],
    counts: Counter[str],
    drift: Counter[Drift],
) -> dict[Key, _Written | None]:
    """Return what becomes of the price, without the rest of the offer; None where it takes the rest to say so."""
    old = await transaction.listed_prices([_key(row) for row in excerpts])
    found: dict[Key, _Written | None] = {}
    for row in excerpts:
        key = _key(row)
        held = old.get(key)
        price, odd = _normalised(row, profiles, price_of)
        currency = profiles[row.platform].currency
        found[key] = None if held is None else compared_price(row, price, held, currency=currency)
        if found[key] is not None:
            _count(row, odd, counts, drift)
    return found


def compared(raw: RawRow, offer: Offer, old: Listed | None) -> _Written:
    """Return what becomes of an offer that was normalised whole."""
    if old is None:
        return CatalogueRow(raw, offer), _change(raw, None, {})
    diff = _changes(old.document, offer)
    return _in_place(raw, offer.price, diff) or CatalogueRow(raw, offer), _change(raw, old, diff)


def compared_price(raw: RawRow, price: float | None, old: Listed, *, currency: str) -> _Written | None:
    """Return what becomes of an offer whose price alone is known; None: it has to be written whole."""
    try:
        was = _decode_held_price(old.document)
    except msgspec.ValidationError:  # as in `_changes`
        return None
    if was.currency != currency:  # an older mapping's: the price would stand beside another currency than its own
        return None
    diff = {} if was.price == price else {"price": [was.price, price]}
    row = _in_place(raw, price, diff)
    return None if row is None else (row, _change(raw, old, diff))


def _in_place(raw: RawRow, price: float | None, diff: Mapping[str, Sequence[Any]]) -> CataloguePrice | None:
    """Return a row that is written without most of it: what nearly all changes say is another price."""
    if not diff:
        return CataloguePrice(raw, price, b"{}")
    if diff.keys() == {"price"} and price is not None:
        return CataloguePrice(raw, price, _encode({"price": price}))
    return None


def _change(raw: RawRow, old: Listed | None, diff: Mapping[str, Sequence[Any]]) -> CatalogueChange | None:
    """Return whether an offer comes, goes, or has other fields."""
    was_visible = old is not None and old.is_visible
    is_visible = raw.active and raw.is_complete
    key = _key(raw)
    if is_visible and not was_visible:
        return CatalogueChange(key, ChangeType.ADDED.value, b"{}")
    if was_visible and not is_visible:
        return CatalogueChange(key, ChangeType.REMOVED.value, b"{}")
    if not is_visible or not diff:
        return None
    told = {name: [_as_shown(value) for value in values] for name, values in diff.items()}
    return CatalogueChange(key, ChangeType.CHANGED.value, _encode(told))


def _as_shown(value: Any) -> Any:
    """Return a whole number without a fraction, as the gateway shows it in offers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
    offer, odd = _normalised(row, profiles, lambda data, profile: normalise(data, profile, reading))
    _count(row, odd, counts, drift)
    return offer


def _normalised(row: RawRow, profiles: Profiles, how: Callable[[bytes, PlatformProfile], T]) -> T:
    profile = profiles.get(row.platform)
    if not isinstance(profile, PlatformProfile):
        raise PoisonError(f"{row.platform}/{row.inner_id}: platform is not configured")
    try:
        return how(row.data, profile)
    except Exception as error:
        # Whatever a value makes our code do, it must cost that one record and never the queue.
        raise PoisonError(f"{row.platform}/{row.inner_id}: {type(error).__name__}: {error}") from error


def _count(row: RawRow, odd: Sequence[Oddity], counts: Counter[str], drift: Counter[Drift]) -> None:
    for oddity in odd:
        counts[f"odd.{oddity.field}:{oddity.reason}"] += 1
        drift[Drift(row.platform, *oddity)] += 1


def _key(row: RawRow) -> Key:
    return Key(row.platform, row.inner_id)
