"""Numbers about feeds in the text format of Prometheus (version 0.0.4).

The format is small enough to be written by hand, which spares a dependency:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FINDINGS: Final = ("no_added", "no_run", "not_landed", "old_gap", "removed_share", "stalled_cursor")
"""What the watchdog can find."""

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, int]


@dataclass(frozen=True, slots=True)
class FeedNumbers:
    """What the metrics are made of.

    Attributes:
        findings: Platform and finding.
        records: Platform, kind of page, change type → records sent since the beginning.
    """

    findings: Collection[tuple[str, str]]
    records: Mapping[tuple[str, str, str], int]


def exposition(followed: Collection[str], numbers: FeedNumbers, asked: Mapping[tuple[str, str], int]) -> str:
    """Return the text. Each finding of each platform in `followed` has a sample, 1 where it holds, 0 where not.

    `asked` counts how often this process asked a source, by its name and what came of it.
    """
    found = frozenset(numbers.findings)
    findings = [
        ((("platform", platform), ("finding", finding)), int((platform, finding) in found))
        for platform in sorted(followed)
        for finding in FINDINGS
    ]
    records = [
        ((("platform", platform), ("kind", kind), ("change_type", change_type)), count)
        for (platform, kind, change_type), count in sorted(numbers.records.items())
    ]
    sources = [((("source", name), ("outcome", outcome)), count) for (name, outcome), count in sorted(asked.items())]
    families = (
        ("feedmill_feed_findings", "gauge", "1: the watchdog finds this wrong with the feed.", findings),
        ("feedmill_feed_records_total", "counter", "Records of the feed that were sent to be landed.", records),
        ("feedmill_source_requests_total", "counter", "Sources asked at once, by what came of it.", sources),
    )
    return "".join(line for family in families for line in _lines(*family))


def _lines(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> Iterable[str]:
    yield f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        yield f"{name}{{{inner}}} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
