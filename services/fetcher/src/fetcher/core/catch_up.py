"""Following the changes of a platform to the head of its feed, as a step of something larger."""

import asyncio
from dataclasses import dataclass, field

from common.events import ChangeId
from fetcher.core.change_runs import ChangeRuns
from fetcher.core.changes import ChangeCounts, ChangeLimits, ChangePorts, ChangeWalk
from fetcher.core.errors import FetcherError, LoadStoppedError, RunTakenOverError
from fetcher.core.job import Frame
from fetcher.core.walk import Ending


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Walks from the platform's cursor to the head, as often as it is asked.

    Attributes:
        counts: What all these walks have done; kinds and gaps are not counted.
    """

    frame: Frame
    ports: ChangePorts
    runs: ChangeRuns
    limits: ChangeLimits
    counts: ChangeCounts = field(default_factory=ChangeCounts)

    async def to_head(self, stop: asyncio.Event) -> ChangeId | None:
        """Return where the changes ended: everything below was confirmed. None: it was asked to stop on the way.

        Raises:
            LoadStoppedError: No load has been finished yet, the upstream refuses, or a page stays dead.
            RunTakenOverError: Another process writes the run.
            TopologyError: The broker has no place for the messages.
        """
        platform = self.frame.platform
        state = await self.runs.sync_state()
        if state.last_change_id is None:
            raise LoadStoppedError(f"{platform}: no first load has been finished yet, so nothing can be followed")
        run = await self.runs.from_cursor(state.last_change_id)
        walk = ChangeWalk(run, self.ports, stop=stop, limits=self.limits)
        try:
            ending = await walk.walk()
        except RunTakenOverError:
            raise
        except FetcherError:
            await self.frame.patiently(lambda: self.ports.runs.fail_run(run.run_id))
            raise
        finally:
            self.counts.pages += walk.counts.pages
            self.counts.records += walk.counts.records
        if ending is not Ending.DONE:
            return None
        await self.runs.finished(walk.run)
        return walk.cursor
