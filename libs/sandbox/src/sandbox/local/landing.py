"""Waiting until everything that was fetched is in the catalogue: the page ledger has no open page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from common.clock import Clock
from sandbox.local.console import say
from sandbox.local.errors import LocalError

POLL_S: Final = 0.25
PATIENCE_S: Final = 60.0
"""Seconds without a single page landed after which waiting is given up."""
SAY_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Holdings:
    """The part of the gateway's `/status` that tells how far the data has come."""

    pages_open: int
    gaps_open: int
    unprocessed: int
    quarantined: int
    offers: Mapping[str, tuple[int, int]]
    """Platform → (on offer, in the catalogue)."""

    @classmethod
    def read(cls, status: Mapping[str, Any]) -> Self:
        """Return the holdings in an answer of `/status`."""
        return cls(
            pages_open=status["pages_open"],
            gaps_open=status["gaps_open"],
            unprocessed=status["unprocessed"],
            quarantined=status["quarantined"],
            offers={row["platform"]: (row["active"], row["total"]) for row in status["offers"]},
        )

    def lines(self) -> list[tuple[str, str]]:
        """Return what people should know, each with its level."""
        said = [
            ("INFO", f"{platform}: {active:,} offers served, {total:,} in the catalogue with those removed")
            for platform, (active, total) in sorted(self.offers.items())
        ]
        if self.gaps_open:
            said.append(("WARNING", f"{self.gaps_open} pages could not be fetched: make retry-gaps"))
        if self.unprocessed:
            said.append(("WARNING", f"{self.unprocessed} records are landed but not normalised: make normalize"))
        if self.quarantined:
            look = "make psql, SELECT reason, count(*) FROM quarantine GROUP BY reason"
            said.append(("WARNING", f"{self.quarantined} records are in quarantine: {look}"))
        return said


async def landed(ask: Callable[[], Holdings], *, clock: Clock) -> Holdings:
    """Return the holdings once no page is open.

    Raises:
        LocalError: For 60 s not one page landed; the text says how many are open.
    """
    holdings = ask()
    moved_at = said_at = clock.monotonic()
    while holdings.pages_open:
        if clock.monotonic() - moved_at > PATIENCE_S:
            hint = "make status, make logs"
            raise LocalError(f"no page landed for {PATIENCE_S:.0f} s, {holdings.pages_open} are open: {hint}")
        if clock.monotonic() - said_at > SAY_EVERY_S:
            said_at = clock.monotonic()
            say(f"{holdings.pages_open} pages on their way into the database")
        await clock.sleep(POLL_S)
        before, holdings = holdings.pages_open, ask()
        if holdings.pages_open != before:
            moved_at = clock.monotonic()
    return holdings
