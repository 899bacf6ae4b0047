"""What a reconciliation needs to know of the rows that we hold, and of the list as its sweeps have seen it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.events import ChangeId, InnerId
from fetcher.core.ports import Run


@dataclass(frozen=True, slots=True)
class Unseen:
    """Offers that we hold as active and that no sweep under way has shown.

    Attributes:
        active: Offers that we hold as active, all of them.
        unseen: Those that no sweep has shown and no change has mentioned since the last one began.
        removable: Those of them whose last news are older than what the sweep may say.
    """

    active: int = 0
    unseen: int = 0
    removable: int = 0


class SweepStore(Protocol):
    """Rows and sights. Every method raises UnavailableError while the database is away, and may be repeated then.

    Sights are the offers that the sweeps of a reconciliation have seen; they outlive the process.
    """

    async def see(self, platform: str, inner_ids: Collection[InnerId]) -> set[InnerId]:
        """Note offers as seen; return those that we do not hold both complete and active."""
        ...

    async def sights(self, platform: str) -> int:
        """Return how many offers the sweeps under way have seen."""
        ...

    async def forget_sights(self, platform: str) -> None:
        """Forget them all: a reconciliation is over."""
        ...

    async def unlanded(self, platform: str, since: datetime) -> int:
        """Return how many messages that were confirmed after a moment have not landed."""
        ...

    async def taken(self, sweep: Run) -> int:
        """Return how many active rows stand as a sweep has brought them: no change has told of them meanwhile."""
        ...

    async def earlier_pages(self, platform: str, run_id: str) -> int | None:
        """Return the pages of the last load or sweep but this one that reached the end; None where there was none."""
        ...

    async def unseen(self, platform: str, since: ChangeId) -> Unseen:
        """Count what no sweep has shown and no change from `since` on has mentioned."""
        ...

    async def unseen_after(self, platform: str, since: ChangeId, after: InnerId, limit: int) -> Sequence[InnerId]:
        """Return those of them that can be removed, in order of their ids, from the one after `after` on."""
        ...

    async def is_reconciled(self, platform: str) -> bool:
        """Return whether a reconciliation has been carried through since the last load ended."""
        ...
