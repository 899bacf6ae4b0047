"""The trims that offers are made of, with everything that does not depend on the offer rendered once."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.upstream import catalogue
from sandbox.upstream.catalogue import Model, Word
from sandbox.upstream.configuration import (
    NO_COMBUSTION,
    PLUGGED,
    commercial_table,
    configuration_table,
    is_manual,
    kilowatts,
    without_ids,
)
from sandbox.upstream.quirks import Quirks

_YEARS = range(2014, 2027)
_YEARS_PER_MODEL = 4
_FIRST_SPECID = 31_000


def to_json(value: object) -> bytes:
    """Encode as the upstream does: compact, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def inside_string(encoded: bytes) -> bytes:
    """Return JSON text escaped for a place inside a JSON string."""
    return to_json(encoded.decode())[1:-1]


@dataclass(frozen=True, slots=True)
class Term:
    """A word of an enumeration, rendered in the four ways that hosts write it, and what finds it in a filter."""

    english: str
    shown: tuple[bytes, bytes, bytes, bytes]
    found_by: frozenset[str]

    @classmethod
    def of(cls, word: Word) -> "Term":
        """Render English, English in lower case, Russian, Russian in lower case."""
        forms = (word.english, word.english.lower(), word.russian, word.russian.lower())
        english, english_lower, russian, russian_lower = (to_json(form) for form in forms)
        shown = (english, english_lower, russian, russian_lower)
        return cls(word.english, shown, frozenset(form.casefold() for form in forms))

    @classmethod
    def unmapped(cls, text: str) -> "Term":
        """Render a value that the upstream did not translate."""
        return cls.of(Word(text, text))


@dataclass(frozen=True, slots=True)
class Spec:
    """One trim of one model year; bytes are JSON, pairs are (as numbers, as strings)."""

    model: Model
    specid: int
    year: int
    resale: int
    mark: bytes
    names: tuple[bytes, bytes, bytes]
    trim: bytes
    full_name: bytes
    power: tuple[bytes, bytes]
    engine: Term
    body: Term
    drive: Term
    transmission: Term
    table: bytes
    table_in_string: bytes
    found_by: dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class SpecPool:
    """All trims on sale: the usual ones, those of marks without a Latin name, commercial vehicles."""

    usual: tuple[Spec, ...]
    chinese_mark: tuple[Spec, ...]
    commercial: tuple[Spec, ...]

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, seed: int, quirks: Quirks) -> "SpecPool":
        """Make the trims of a seed, about 3 MB in all; the last four pools are kept."""
        dice = random.Random(seed)  # noqa: S311 - test data, not a secret
        specids = iter(range(_FIRST_SPECID, 80_000, 7))

        def some(models: tuple[Model, ...]) -> tuple[Spec, ...]:
            return tuple(
                _spec(model, year, next(specids), quirks, dice)
                for model in models
                for year in sorted(dice.sample(_YEARS, _YEARS_PER_MODEL))
            )

        return cls(some(catalogue.MODELS), some(catalogue.CHINESE_MARK_MODELS), some(catalogue.COMMERCIAL_MODELS))


def by_mark(of_model: Callable[[Model], object]) -> dict[str, Any]:
    """Return `{mark: {"model": {model: of_model(model)}}}` of everything on sale."""
    marks: dict[str, Any] = {}
    for model in (*catalogue.MODELS, *catalogue.CHINESE_MARK_MODELS, *catalogue.COMMERCIAL_MODELS):
        marks.setdefault(model.mark, {"model": {}})["model"][model.name] = of_model(model)
    return marks


def _spec(model: Model, year: int, specid: int, quirks: Quirks, dice: random.Random) -> Spec:
    is_commercial = model in catalogue.COMMERCIAL_MODELS
    table = (commercial_table if is_commercial else configuration_table)(model, year, specid, dice)
    if dice.random() < quirks.param_ids_absent:
        table = without_ids(table)
    names = (model.name, f"{model.mark} {model.name}", model.name_cn)
    encoded = to_json(table)
    return Spec(
        model=model,
        specid=specid,
        year=year,
        resale=round(model.list_price * 0.9 ** (_YEARS.stop - year)),
        mark=to_json(model.mark),
        names=(to_json(names[0]), to_json(names[1]), to_json(names[2])),
        trim=to_json(model.trims),
        full_name=to_json(f"{model.name_cn} {year}款 {model.trims}"),
        power=(_power(model, as_strings=False), _power(model, as_strings=True)),
        engine=Term.of(catalogue.ENGINES[model.engine]),
        body=Term.of(catalogue.BODIES[model.body]),
        drive=Term.of(catalogue.DRIVES[model.drive]),
        transmission=Term.of(catalogue.TRANSMISSIONS["manual" if is_manual(model) else "automatic"]),
        table=encoded,
        table_in_string=inside_string(encoded),
        found_by={
            "mark": frozenset({model.mark.casefold()}),
            "model": frozenset(name.casefold() for name in names),
        },
    )


def _power(model: Model, *, as_strings: bool) -> bytes:
    """Render displacement (litres) and the powers (ps and kW) of the engine, the motor and both; empty where none."""
    burns = model.engine not in NO_COMBUSTION
    joint = model.engine in {"hybrid", "phev"}
    motor = model.engine in PLUGGED or not burns
    ps, kw = model.ps, kilowatts(model.ps)
    fields: dict[str, float | str] = {
        "displacement": model.litres if burns else 0,
        "power": ps,
        "ice_power_ps": ps if burns else "",
        "ice_power_kw": kw if burns else "",
        "hybrid_power_ps": ps if joint else "",
        "hybrid_power_kw": kw if joint else "",
        "electric_power_ps": ps if motor else "",
        "electric_power_kw": kw if motor else "",
    }
    if as_strings:
        return to_json({name: str(value) for name, value in fields.items()})[1:-1]
    return to_json(fields)[1:-1]
