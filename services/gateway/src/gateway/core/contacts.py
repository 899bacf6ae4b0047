"""Records without what leads to persons: che168's inspections may hold the inspector's telephone number.

The catalogue never takes it over. Here the same keys are left out of the record itself, in the field with the extras
alone, and nothing else is touched: a feedmill that reads such records makes the same catalogue of them.
"""

import re
from typing import Any, Final

import msgspec

from common.contacts import CONTACT

_ESCAPED: Final = re.compile(r"(?<!\\)\\++u([0-9a-fA-F]{4})")
"""A character in an escape of JSON; in a string inside a string the backslashes are doubled.

Backslashes are looked at once, from the first of a row: otherwise their number's square would be the time."""
_ABOUT_THE_CAR: Final = frozenset({"configuration", "option"})
_decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def without_contacts(record: str, field: str) -> str:
    """Return a record, JSON text, with the keys of contacts left out of `field`: an object, or a JSON string with one.

    What is there and cannot be read, such as a string that is no JSON, becomes null: nobody can say what it holds.
    """
    if not _may_name_contacts(record):
        return record
    fields = _decode_fields(record)
    extras = bytes(fields.get(field, msgspec.Raw(b"null")))
    if not _may_name_contacts(extras.decode()):
        return record
    try:
        fields[field] = msgspec.Raw(_cleaned(extras))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        fields[field] = msgspec.Raw(b"null")
    return msgspec.json.encode(fields).decode()


def _may_name_contacts(text: str) -> bool:
    return CONTACT.search(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)) is not None


def _cleaned(extras: bytes) -> bytes:
    value = msgspec.json.decode(extras)
    if not isinstance(value, str):
        return msgspec.json.encode(_without(value))
    return msgspec.json.encode(_cleaned(value.encode()).decode())


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(item) for item in value]
    if isinstance(value, str):
        return _without_in_text(value)
    if not isinstance(value, dict):
        return value
    return {
        key: inner if key in _ABOUT_THE_CAR else _without(inner)
        for key, inner in value.items()
        if not CONTACT.search(key)
    }


def _without_in_text(text: str) -> str | None:
    """Return a text without contacts in the JSON that it holds; None: it only opens like JSON, and may name some."""
    if text.lstrip()[:1] not in {"{", "["} or not _may_name_contacts(text):
        return text
    try:
        return msgspec.json.encode(_without(msgspec.json.decode(text))).decode()
    except (msgspec.DecodeError, UnicodeError):
        return None
