"""Query parameters as data: how each is read, bounded and documented.

Reading is strict, because a parameter that is quietly ignored returns everything: an unknown name, a repeated name,
an empty value or a value out of bounds is a fault, and all faults of a request are named at once.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, Protocol

from common.events import PLATFORM_PATTERN
from gateway.core.errors import Fault, InvalidParametersError

Value = str | int | Decimal

MAX_SHOWN_NAME: Final = 40
_ALIKE: Final = 0.65
"""From which likeness on a name is taken for another one mistyped: `order` is no `model`."""
EARLIEST: Final = date(2000, 1, 1)
LATEST: Final = date(2200, 12, 31)
PLAIN: Final = r"[^\u0000-\u001f\u007f-\u009f]"
"""A character that is no control character, in the words of regular expressions of Python and of JSON schemas."""
_FLAGS: Final = frozenset({"true", "false"})
_WHOLE = re.compile(r"[0-9]{1,19}")
_MONEY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")
_PLATFORM = re.compile(PLATFORM_PATTERN)
_LEAST: Final = "_from"
_MOST: Final = "_to"
"""How the parameters end that together are a range."""


class Kind(Protocol):
    """How the text of a parameter becomes a value."""

    def read(self, text: str) -> Value:
        """Return the value.

        Raises:
            ValueError: The text is none; the message is for the caller.
        """
        ...

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the value."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """Text of 1 to `longest` characters."""

    longest: int = 100

    def read(self, text: str) -> str:
        """Return the text as it is."""
        if not 1 <= len(text) <= self.longest:
            raise ValueError(f"1 to {self.longest} characters are expected")
        return text

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the text."""
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": f"^{PLAIN}*$"}


@dataclass(frozen=True, slots=True)
class PlatformName:
    """The name of a marketplace or shop."""

    def read(self, text: str) -> str:
        """Return the name."""
        if not _PLATFORM.fullmatch(text):
            raise ValueError("a name of small letters, digits and _ is expected, such as che168")
        return text

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the name."""
        return {"type": "string", "minLength": 1, "maxLength": 32, "pattern": f"^{PLATFORM_PATTERN}$"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, both ends included."""

    least: int
    most: int

    def read(self, text: str) -> int:
        """Return the number."""
        if not _WHOLE.fullmatch(text) or not self.least <= int(text) <= self.most:
            raise ValueError(f"a whole number from {self.least} to {self.most} is expected")
        return int(text)

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the number."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with at most 12 digits before the point and 2 after it."""

    def read(self, text: str) -> Decimal:
        """Return the amount, exact."""
        if not _MONEY.fullmatch(text):
            raise ValueError("an amount such as 98000 or 98000.50 is expected")
        return Decimal(text)

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the amount."""
        return {"type": "number", "minimum": 0, "exclusiveMaximum": 10**12, "multipleOf": 0.01}


@dataclass(frozen=True, slots=True)
class EntityTags:
    """What `If-None-Match` holds (RFC 9110 §13.1.2); what is no tag there names nothing."""

    def read(self, text: str) -> str:
        """Return the text as it is."""
        return text

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the text."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Day:
    """A day such as 2026-11-20; one before `EARLIEST` counts as that, one after `LATEST` likewise."""

    def read(self, text: str) -> str:
        """Return the day."""
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise ValueError("a day such as 2026-11-20 is expected") from error
        if day.isoformat() != text:
            raise ValueError("a day such as 2026-11-20 is expected")
        return min(max(day, EARLIEST), LATEST).isoformat()

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the day."""
        return {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: Sequence[str]

    def read(self, text: str) -> str:
        """Return the word."""
        if text not in self.words:
            raise ValueError(f"one of {', '.join(self.words)} is expected")
        return text

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the words."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    def read(self, text: str) -> bool:
        """Return whether it is yes."""
        if text not in _FLAGS:
            raise ValueError("true or false is expected")
        return text == "true"

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the words."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choices:
    """Some of a few words, with commas between them; the value is the text as it came."""

    words: Sequence[str]

    def read(self, text: str) -> str:
        """Return the text."""
        chosen = text.split(",")
        if not set(chosen) <= set(self.words):
            raise ValueError(f"some of {', '.join(self.words)} are expected, each once, with commas between them")
        if twice := next((word for word in chosen if chosen.count(word) > 1), None):
            raise ValueError(f"{twice} is named more than once")
        return text

    @property
    def schema(self) -> dict[str, object]:
        """The JSON schema of the words; documented with `explode: false`."""
        items = {"type": "string", "enum": list(self.words)}
        return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter."""

    name: str
    kind: Kind
    description: str
    example: Value | None = None
    default: Value | None = None
    required: bool = False


NO_PARAMETERS: Final[Mapping[str, Parameter]] = {}


def read(pairs: Iterable[tuple[str, str]], known: Mapping[str, Parameter]) -> dict[str, Value]:
    """Return the values by name.

    Raises:
        InvalidParametersError: With every fault of the request; a range that holds nothing is one.
    """
    values, faults = _read(pairs, known)
    faults += reversed_ranges(values)
    if faults:
        raise InvalidParametersError(faults)
    return values


def read_each(pairs: Iterable[tuple[str, str]], known: Mapping[str, Parameter]) -> dict[str, Value]:
    """Return the values by name, each checked alone.

    Raises:
        InvalidParametersError: With every fault of the request.
    """
    values, faults = _read(pairs, known)
    if faults:
        raise InvalidParametersError(faults)
    return values


def reversed_ranges(values: Mapping[str, Value]) -> list[Fault]:
    """Return a fault for each range whose beginning is behind its end: it holds nothing."""
    faults = []
    for name, least in values.items():
        if name.endswith(_LEAST):
            most = name.removesuffix(_LEAST) + _MOST
            if most in values and least > values[most]:  # type: ignore[operator] # both are numbers of one kind
                faults.append(Fault(name, f"is greater than {most}"))
    return faults


def _read(pairs: Iterable[tuple[str, str]], known: Mapping[str, Parameter]) -> tuple[dict[str, Value], list[Fault]]:
    values: dict[str, Value] = {}
    faults: list[Fault] = []
    seen: set[str] = set()
    for name, text in pairs:
        parameter = known.get(name)
        if parameter is None:
            faults.append(Fault(shown(name), unknown(name, known)))
        elif name in seen:
            faults.append(Fault(name, "given more than once"))
        else:
            seen.add(name)
            try:
                values[name] = parameter.kind.read(_filled(text))
            except ValueError as error:
                faults.append(Fault(name, str(error)))
    faults += [Fault(name, "is required") for name, wanted in known.items() if wanted.required and name not in seen]
    return values, faults


def _filled(text: str) -> str:
    if not text:
        raise ValueError("is empty; give it a value or leave it out")
    return printable(text)


def meaning(value: Value) -> str:
    """Return one text for all values that filters take for the same: letters in any case, amounts with any zeros."""
    return str(value.normalize() if isinstance(value, Decimal) else value).lower()


def printable(text: str) -> str:
    """Return the text.

    Raises:
        ValueError: It holds a control character, which no value of ours has and PostgreSQL partly refuses.
    """
    if not text.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValueError("control characters are not allowed")
    return text


def shown(name: str) -> str:
    """Return the name of a parameter, whatever it was, short and printable."""
    return (name if name.isprintable() else ascii(name))[:MAX_SHOWN_NAME]


def unknown(name: str, known: Mapping[str, Parameter]) -> str:
    """Return what to say of a name that is not known."""
    if close := get_close_matches(name[:MAX_SHOWN_NAME], known, n=1, cutoff=_ALIKE):
        return f"unknown parameter; did you mean {close[0]}?"
    return f"unknown parameter; known: {', '.join(known)}" if known else "unknown parameter; none is known here"
