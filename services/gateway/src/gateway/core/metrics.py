"""Numbers about feeds and what is stored, as the metrics show them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

FINDINGS: Final = ("no_added", "no_run", "not_landed", "old_gap", "removed_share", "stalled_cursor")
"""What the watchdog can find."""


@dataclass(frozen=True, slots=True)
class SourceNumbers:
    """How one platform or shop that is followed is doing.

    Attributes:
        pages_open: Pages that were sent and have not landed.
        oldest_open_s: Age of the oldest of them; 0 without any.
        gaps_open: Pages that are missing.
        data_age_s: Seconds since the moment up to which the catalogue is complete; None: it never was.
        unprocessed: Records that have landed and are not normalised.
    """

    platform: str
    pages_open: int
    oldest_open_s: float
    gaps_open: int
    data_age_s: float | None
    is_paused: bool
    unprocessed: int


@dataclass(frozen=True, slots=True)
class FeedNumbers:
    """What the tables say.

    Attributes:
        findings: Platform and finding.
        records: Platform, kind of page, change type → records sent since the beginning.
        sources: Those that are followed.
        quarantined: Platform, reason → records in quarantine.
        drift: Platform, reason → different words that the mapping does not know.
    """

    findings: Collection[tuple[str, str]]
    records: Mapping[tuple[str, str, str], int]
    sources: Sequence[SourceNumbers]
    quarantined: Mapping[tuple[str, str], int]
    drift: Mapping[tuple[str, str], int]
