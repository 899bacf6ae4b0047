"""Tokens: 16 characters 0-9 A-Z a-z, of which 13 are random (77 bits) and 3 are a check of them.

The check lets typing errors and nearly all guesses be refused without a question to the database, and lets a scanner
recognise a token in a text. What is stored is an HMAC-SHA-256 under the secret key, so a dump of the database holds
nothing that opens the gateway; a slow hash would add nothing to 77 random bits.
"""

import hmac
import zlib
from collections.abc import Callable
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARACTERS: Final = 13
CHECK_CHARACTERS: Final = 3
LENGTH: Final = RANDOM_CHARACTERS + CHECK_CHARACTERS


def new_token(choose: Callable[[str], str]) -> str:
    """Return a new token; `choose` picks one character, unpredictably (`secrets.choice`)."""
    chosen = "".join(choose(ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return chosen + check_characters(chosen)


def check_characters(chosen: str) -> str:
    """Return CRC-32 of `chosen` modulo 62³, in base 62, most significant first."""
    number = zlib.crc32(chosen.encode("ascii")) % len(ALPHABET) ** CHECK_CHARACTERS
    digits = []
    for _ in range(CHECK_CHARACTERS):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def is_well_formed(text: str) -> bool:
    """Return whether the text has a token's length, alphabet and check characters."""
    if len(text) != LENGTH or not (text.isascii() and text.isalnum()):
        return False
    return check_characters(text[:RANDOM_CHARACTERS]) == text[RANDOM_CHARACTERS:]


def digest(token: str, key: bytes) -> str:
    """Return what `api_tokens.token` holds: HMAC-SHA-256 in hex."""
    return hmac.digest(key, token.encode("ascii"), "sha256").hex()
