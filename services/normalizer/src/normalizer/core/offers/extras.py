"""The extras of an offer: a parameter table, options, and whatever else the platform knows of the car.

che168 has `{inspection, configuration, option}`, encar `{diagnosis, inspection, accidents}`, dongchedi an object of
some 400 texts; each may come as a JSON string (UPSTREAMS §1.10). Ways to reach a person are left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from common.contacts import CONTACT
from normalizer.core.offers import values

_NULL: Final = msgspec.Raw(b"null")
_SAYS_NOTHING: Final = frozenset({b"null", b"{}", b"[]", b'""'})
_MAY_OPEN: Final = frozenset({b"{", b"[", b" ", b"\\"})
"""How a text begins, as JSON has it, that may hold an object or an array: also with a blank, or an escape of one."""
MAX_DETAILS_BYTES: Final = 16_384
"""A larger part of the extras stays in `raw_data` only."""
MAX_PARAMETERS: Final = 600
MAX_DEPTH: Final = 8


class Extras(msgspec.Struct, gc=False):
    """What the extras say.

    Attributes:
        table: JSON of the parameter table.
        parameters: Texts that stand in the extras themselves.
        details: Nested parts, such as `inspection` and `accidents`.
    """

    table: bytes = b"null"
    options: list[str] = []
    parameters: dict[str, str] = {}
    details: dict[str, Any] = {}


class Usual(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Extras of which every part is known."""

    configuration: msgspec.Raw = _NULL
    option: Any = None
    inspection: msgspec.Raw = _NULL
    diagnosis: msgspec.Raw = _NULL
    accidents: msgspec.Raw = _NULL


_decode_usual: Final = msgspec.json.Decoder(Usual).decode
_decode_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_decode_any: Final = msgspec.json.Decoder().decode


def read_extras(body: bytes) -> Extras:
    """Read an object or a JSON string with one; anything else says nothing."""
    try:
        if body[:1] == b'"':
            body = _decode_text(body).encode()
        return _read(body) if body.lstrip()[:1] == b"{" else Extras()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Extras()


def _read(body: bytes) -> Extras:
    try:
        return of_usual(_decode_usual(body))
    except msgspec.ValidationError:
        return _whole(_decode_parts(body))


def of_usual(said: Usual) -> Extras:
    """Return what extras say that were decoded already."""
    details = {}
    if said.inspection is not _NULL or said.diagnosis is not _NULL or said.accidents is not _NULL:
        details = _details({"inspection": said.inspection, "diagnosis": said.diagnosis, "accidents": said.accidents})
    return Extras(bytes(said.configuration), _options(said.option), {}, details)


def _whole(parts: Mapping[str, msgspec.Raw]) -> Extras:
    option = parts.get("option", _NULL)
    rest = {name: raw for name, raw in parts.items() if name not in {"configuration", "option"}}
    nested = {name: raw for name, raw in rest.items() if _is_nested(raw)}
    plain = {name: raw for name, raw in rest.items() if name not in nested}
    return Extras(
        bytes(parts.get("configuration", _NULL)),
        _options(_decoded(option)),
        dict(_parameters(plain)),
        _details(nested),
    )


def _is_nested(raw: msgspec.Raw) -> bool:
    body = bytes(raw)
    if body[:1] != b'"':
        return body[:1] in {b"{", b"["}
    return body[1:2] in _MAY_OPEN and not isinstance(values.nested(_decoded(raw)), str)


def _parameters(parts: Mapping[str, msgspec.Raw]) -> Iterator[tuple[str, str]]:
    for key, raw in list(parts.items())[:MAX_PARAMETERS]:
        name, value = values.name(key), values.text(_decoded(raw))
        if value is not None and value[0] in "{[":
            value = _of_text(value, 0)
        if name is not None and value is not None and not CONTACT.search(name):
            yield name, value


def _details(parts: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    return {
        name: said
        for key, raw in parts.items()
        if raw is not _NULL
        and (body := bytes(raw)) not in _SAYS_NOTHING
        and len(body) <= MAX_DETAILS_BYTES
        and (name := values.name(key)) is not None
        and (said := _clean(_decoded(raw), MAX_DEPTH)) is not None
    }


def _decoded(raw: msgspec.Raw) -> Any:
    try:
        return _decode_any(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _clean(value: Any, depth: int) -> Any:
    """Return a value without what says nothing or leads to a person; None: nothing is left."""
    if isinstance(value, dict) and depth:
        kept = ((values.name(key), _clean(inner, depth - 1)) for key, inner in value.items() if not CONTACT.search(key))
        return {name: inner for name, inner in kept if name is not None and inner is not None} or None
    if isinstance(value, list) and depth:
        return [inner for item in value if (inner := _clean(item, depth - 1)) is not None] or None
    if isinstance(value, str):
        said = values.text(value)
        return _of_text(said, depth) if said is not None and said[0] in "{[" else said
    return value if isinstance(value, (bool, int, float)) else None


def _of_text(text: str, depth: int) -> Any:
    """Clean the JSON that a text holds; one that only opens like JSON stays, unless it may lead to a person."""
    held = values.nested(text)
    if held is text:
        return None if CONTACT.search(text) else text
    return _clean(held, depth - 1) if depth else None


def _options(option: Any) -> list[str]:
    return list(dict.fromkeys(_option_names(option))) if option else []


def _option_names(option: Any) -> Iterator[str]:
    if not isinstance(option, dict):
        return
    shown = option.get("displayopts")
    groups = option.get("moreoptions")
    items = list(shown) if isinstance(shown, list) else []
    for group in groups if isinstance(groups, list) else []:
        found = group.get("opts") if isinstance(group, dict) else None
        items += found if isinstance(found, list) else []
    for item in items:
        name = values.text(item.get("optionname")) if isinstance(item, dict) else None
        if name is not None:
            yield name
