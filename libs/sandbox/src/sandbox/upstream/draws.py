"""Chance as a function: the same seed and offer always draw the same numbers."""

from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from sandbox.upstream.keys import Key

_LAYOUT = Struct("<32H")


class Draws(NamedTuple):
    """Independent 16-bit numbers of one offer, one for each decision about it."""

    spec: int
    special: int
    jitter: int
    seller: int
    age: int
    second: int
    year: int
    registration: int
    month: int
    color: int
    price: int
    price_quirk: int
    km: int
    km_quirk: int
    numbers: int
    language: int
    case: int
    unmapped: int
    engine: int
    address: int
    district: int
    dealer: int
    model: int
    configuration: int
    complectation: int
    specid: int
    images: int
    image_count: int
    extra: int
    data_id: int
    description: int
    spare: int


class Dice:
    """The source of chance of one stand-in; `seed` makes it what it is."""

    def __init__(self, seed: int) -> None:
        self._seed = str(seed).encode()[:64]
        self._last: tuple[Key, Draws] | None = None

    def draw(self, key: Key) -> Draws:
        """Return the numbers of an offer."""
        if self._last is not None and self._last[0] is key:
            return self._last[1]
        name = b"%d:%d" % key
        draws = Draws._make(_LAYOUT.unpack(blake2b(name, digest_size=64, key=self._seed).digest()))
        self._last = (key, draws)
        return draws
