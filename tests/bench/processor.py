"""Processor time of whole families of processes, while a benchmark runs."""

import os
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Final, Self

TICKS: Final = os.sysconf("SC_CLK_TCK")
EVERY_S: Final = 0.2


def family_cpu_s(*roots: int) -> dict[int, float]:
    """Return the seconds that each of these processes and its descendants have used, those that ended included."""
    children: dict[int, list[int]] = defaultdict(list)
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            children[int(fields[1])].append(int(entry.name))
            used[int(entry.name)] = sum(map(int, fields[11:15])) / TICKS

    def family(pid: int) -> float:
        return used.get(pid, 0.0) + sum(map(family, children[pid]))

    return {root: family(root) for root in roots}


class Meter:
    """Samples the processor time of named processes in a thread of its own until it is left."""

    def __init__(self, **roots: int) -> None:
        self._roots = roots
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def watch(self, name: str, pid: int) -> None:
        """Sample one process more."""
        self._roots = self._roots | {name: pid}

    def spent(self, began: float, ended: float) -> dict[str, float]:
        """Return the seconds of each between two moments (seconds since 1970), to the nearest sample before."""
        before, after = self._at(began), self._at(ended)
        return {name: used - before.get(name, 0.0) for name, used in after.items()}

    def _at(self, moment: float) -> dict[str, float]:
        place = bisect_right(self._samples, moment, key=lambda sample: sample[0])
        return self._samples[max(0, place - 1)][1]

    def _run(self) -> None:
        last: dict[str, float] = {}
        while True:
            roots = self._roots
            used = family_cpu_s(*roots.values())
            # Who has ended keeps what it had.
            last = {name: max(last.get(name, 0.0), used[pid]) for name, pid in roots.items()}
            self._samples.append((time.time(), last))  # noqa: TID251 - compared with the database's moments
            if self._over.wait(EVERY_S):
                return

    def __enter__(self) -> Self:
        """Begin to sample."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the last sample."""
        self._over.set()
        self._thread.join()
