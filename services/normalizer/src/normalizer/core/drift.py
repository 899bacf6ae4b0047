"""Drift: words and keys of an upstream that nobody here has met yet, counted for an operator to see."""

from collections.abc import Iterable
from typing import Final, NamedTuple

MAX_WORDS: Final = 100
"""Different words kept of one field of a platform; those beyond are counted together under the empty word."""
MAX_KEYS: Final = 20
"""Unknown keys counted of one record."""
MAX_WORD: Final = 100
"""Characters kept of a word."""
UNKNOWN_KEY: Final = "unknown_key"


class Drift(NamedTuple):
    """What was met; sorts by code point, the order in which rows are locked everywhere.

    Attributes:
        field: Empty for a key of the record itself.
        reason: As `normalizer.core.offers.record.Oddity` has it.
    """

    platform: str
    field: str
    reason: str
    word: str


def unknown_keys(platform: str, keys: Iterable[str]) -> list[Drift]:
    """Return the drift of keys that mean nothing to us."""
    words = sorted("".join(c if c.isprintable() else "\ufffd" for c in key[:MAX_WORD]) for key in keys)
    return [Drift(platform, "", UNKNOWN_KEY, word) for word in words[:MAX_KEYS]]
