"""Saying what is wrong with feeds that answer well: each finding when it is new, and all of them every hour."""

import logging
from collections.abc import Collection
from typing import Final

from common.clock import Clock
from common.errors import UnavailableError
from common.log import fields
from fetcher.core.service_ports import Finding, ServiceStore

INTERVAL_S: Final = 3600.0
"""Seconds between two times that a lasting finding is said."""

_log = logging.getLogger(__name__)


class Watch:
    """Remembers what it has said of the platforms in `names`."""

    def __init__(self, store: ServiceStore, *, names: Collection[str], clock: Clock) -> None:
        self._store = store
        self._names = frozenset(names)
        self._clock = clock
        self._said: set[tuple[str, str]] = set()
        self._said_all_s: float | None = None

    @property
    def is_due(self) -> bool:
        """Whether everything is to be said again."""
        return self._said_all_s is None or self._clock.monotonic() - self._said_all_s >= INTERVAL_S

    async def look(self) -> None:
        """Say what is new; once an hour, everything. While the database is away there is nothing to say."""
        try:
            found = await self._store.findings(self._clock.now())
        except UnavailableError:
            return
        findings = [finding for finding in found if finding.platform in self._names]
        says_all = self.is_due
        if says_all:
            self._said_all_s = self._clock.monotonic()
        for finding in findings:
            if says_all or (finding.platform, finding.finding) not in self._said:
                _log.warning(line_of(finding))
        self._said = {(finding.platform, finding.finding) for finding in findings}


def line_of(finding: Finding) -> str:
    """Return the log line of a finding."""
    since = f"{finding.since:%Y-%m-%dT%H:%M:%SZ}"
    return fields(f"watchdog: {finding.finding}", platform=finding.platform, since=since, detail=finding.detail)
