"""The fields of a record that mean something to us, decoded; nested tables stay JSON."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from normalizer.core.merge import EMPTY_VALUES, IDENTITY_FIELDS, join, split
from normalizer.core.offers.extras import Usual
from normalizer.core.offers.record import Oddity, PlatformProfile

_PLAIN: Final = tuple(
    "mark model title complectation year color km_age engine_type transmission_type body_type drive_type displacement "  # noqa: SIM905 - a list of 40 quoted names reads worse
    "hybrid_power_ps hybrid_power_kw ice_power_ps ice_power_kw electric_power_ps electric_power_kw address city region "
    "seller_type is_dealer salon_id section description url offer_created vin specid images generation owners_count "
    "seller options equipment inner_id".split()
)
_EMPTY_TEXTS: Final = frozenset(msgspec.json.decode(value) for value in EMPTY_VALUES if value[:1] == b'"')


class Reading(NamedTuple):
    """What was decoded of a document: it holds for these very bytes."""

    data: bytes
    fields: Any


class _Decoders(NamedTuple):
    of_any: msgspec.json.Decoder[Any]
    of_known: msgspec.json.Decoder[Any]
    """Takes only records of which every key means something."""


def read_fields(data: bytes, profile: PlatformProfile) -> tuple[Any, list[Oddity]]:
    """Decode the known fields; those that Python cannot hold, such as `1e400` or 5,000 digits, are left out as odd.

    `extras_field` is `extras.Usual` or its JSON.

    Raises:
        msgspec.DecodeError: `data` is no JSON object.
    """
    fields = _all_known(data, profile)
    if fields is not None:
        return fields, []
    decoder = _decoders(profile).of_any
    try:
        return decoder.decode(data), []
    except (msgspec.ValidationError, RecursionError):
        found = {name: value for name, value in split(data).items() if name in decoder.type.__struct_fields__}
        raw = {"configuration", profile.extras_field}
        readable = {name: value for name, value in found.items() if name in raw or _is_readable(value)}
        odd = [name for name in found if name not in readable]
        return decoder.decode(join(readable)), [Oddity(name, "unreadable", "beyond any number") for name in odd]


def read_usual(data: bytes, profile: PlatformProfile) -> Reading | None:
    """Decode a full record as nearly all are: each key is known, each field readable, and it says something.

    None for any other: it is to be looked at field by field. `extras_field` of the reading is `extras.Usual`.
    """
    fields = _all_known(data, profile)
    if fields is None:
        return None
    return Reading(data, fields) if _says(fields.url) or _says(fields.mark) or _says(fields.title) else None


def _all_known(data: bytes, profile: PlatformProfile) -> Any | None:
    """Decode a record in one pass; None: some key means nothing to us, or some field cannot be read."""
    try:
        return _decoders(profile).of_known.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _says(value: Any) -> bool:
    return isinstance(value, str) and value not in _EMPTY_TEXTS


def known_keys(profile: PlatformProfile) -> frozenset[str]:
    """Return the top-level keys of a record, full or partial, that mean something to us."""
    return frozenset(_decoders(profile).of_known.type.__struct_fields__) | profile.renames.keys()


def _decoders(profile: PlatformProfile) -> _Decoders:
    names = (profile.price_field, profile.full_price_field, profile.power_field, profile.registration_field)
    return _decoders_for(names, profile.extras_field)


@lru_cache(maxsize=64)
def _decoders_for(names: tuple[str, ...], extras_field: str) -> _Decoders:
    raw = dict.fromkeys(("configuration", extras_field))
    plain: list[tuple[str, Any, Any]] = [
        (name, Any, None) for name in dict.fromkeys([*_PLAIN, *filter(None, names)]) if name not in raw
    ]
    tables: list[tuple[str, Any, Any]] = [(name, msgspec.Raw, msgspec.Raw(b"null")) for name in raw]
    usual: list[tuple[str, Any, Any]] = [
        *((name, Any, None) for name in sorted(IDENTITY_FIELDS - set(_PLAIN))),
        *((name, Usual, Usual()) if name == extras_field else (name, kind, null) for name, kind, null in tables),
    ]
    return _Decoders(
        msgspec.json.Decoder(msgspec.defstruct("Fields", plain + tables, gc=False)),
        msgspec.json.Decoder(msgspec.defstruct("KnownFields", plain + usual, gc=False, forbid_unknown_fields=True)),
    )


def _is_readable(value: bytes) -> bool:
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
