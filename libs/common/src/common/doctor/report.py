"""What the doctor says: a line for each thing that was looked at."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a line is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: what it is, what was seen, and what to do where that is not well."""

    level: Level
    what: str
    seen: str
    advice: str = ""


def ok(what: str, seen: str) -> Line:
    """Return a line about what is well."""
    return Line(Level.OK, what, seen)


def warning(what: str, seen: str, advice: str) -> Line:
    """Return a line about what works and should be looked at."""
    return Line(Level.WARNING, what, seen, advice)


def error(what: str, seen: str, advice: str) -> Line:
    """Return a line about what does not work."""
    return Line(Level.ERROR, what, seen, advice)


def said(fault: Exception) -> str:
    """Return the first line of an exception's text; a timeout has none."""
    name = type(fault).__name__
    return (str(fault).strip().splitlines() or ["no answer in time" if "Timeout" in name else name])[0]


def is_well(lines: Iterable[Line]) -> bool:
    """Return whether there is no error; warnings do not count."""
    return all(line.level is not Level.ERROR for line in lines)


def written(lines: Sequence[Line]) -> str:
    """Return the lines for people, each with what to do below it where there is something to do."""
    width = max(len(line.what) for line in lines)
    text = ""
    for line in lines:
        text += f"{line.level:<9}{line.what:<{width}}  {line.seen}\n"
        text += f"{'':<{9 + width}}  -> {line.advice}\n" if line.advice else ""
    return text


def summary(lines: Iterable[Line]) -> str:
    """Return how many lines there are of each level."""
    counts = Counter(line.level for line in lines)
    return ", ".join(f"{counts[level]} {level}" for level in (Level.ERROR, Level.WARNING, Level.OK))
