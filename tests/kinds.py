"""The kinds of tests: each is marked by its folder, and a run ends with the counts of each kind."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import pytest

KINDS: Final = ("unit", "contract", "integration", "e2e", "house", "bench")
OUTCOMES: Final = ("passed", "failed", "error", "skipped")


def kind_of(nodeid: str) -> str | None:
    """Return the kind of a test by the folder that it lies in: `tests/<kind>/…`."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts
    return parts[1] if parts[:1] == ("tests",) and len(parts) > 1 and parts[1] in KINDS else None


def counted(nodeids: Mapping[str, Iterable[str]]) -> list[str]:
    """Return one line for each kind that ran, such as `unit  412 passed, 1 skipped`; `nodeids` are by outcome."""
    counts: dict[str, Counter[str]] = {}
    for outcome, names in nodeids.items():
        for kind in filter(None, map(kind_of, names)):
            counts.setdefault(kind, Counter())[outcome] += 1
    width = max(map(len, KINDS)) + 2
    return [kind.ljust(width) + _said(counts[kind]) for kind in KINDS if kind in counts]


def _said(outcomes: Counter[str]) -> str:
    return ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in OUTCOMES if outcomes[outcome])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its kind."""
    for item in items:
        kind = kind_of(item.nodeid)
        if kind is not None:
            item.add_marker(kind)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the counts."""
    lines = counted({o: [report.nodeid for report in terminalreporter.stats.get(o, [])] for o in OUTCOMES})
    if lines:
        terminalreporter.section("tests by kind")
        for line in lines:
            terminalreporter.write_line(line)
