"""Lines of a table: what was measured, what it may be, and whether it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_HELD: Final = {True: "holds", False: "MISSED"}


@dataclass(frozen=True)
class Line:
    """One line; `measured` and `wanted` are texts for people."""

    name: str
    measured: str
    wanted: str
    holds: bool


def at_least(name: str, value: float, bound: float, *, unit: str = "", more: str = "") -> Line:
    """Return a line of a value that has to reach its bound."""
    return Line(name, f"{value:,.2f}{unit}{more}", f">= {bound:,g}{unit}", value >= bound)


def at_most(name: str, value: float, bound: float, *, unit: str = "", more: str = "") -> Line:
    """Return a line of a value that may not pass its bound."""
    return Line(name, f"{value:,.2f}{unit}{more}", f"<= {bound:,g}{unit}", value <= bound)


def paired(values: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios of what was measured in the same rounds."""
    return median(value / other for value, other in zip(values, others, strict=True))


def show(title: str, lines: Sequence[Line]) -> None:
    """Print a table."""
    print(f"\n{title}")
    names, figures, bounds = (max(len(text) for text in column) for column in zip(*map(_texts, lines), strict=True))
    for line in lines:
        verdict = _HELD[line.holds]
        print(f"  {line.name:<{names}}  {line.measured:>{figures}}  {line.wanted:<{bounds}}  {verdict}", flush=True)


def _texts(line: Line) -> tuple[str, str, str]:
    return line.name, line.measured, line.wanted
