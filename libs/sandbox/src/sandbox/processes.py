"""Processes that outlive the command which starts them, and are known again later: by pid, start time and boot.

A pid alone is no name: after a crash or a reboot it may belong to somebody else. The kernel's start time of the
process (proc(5), `/proc/PID/stat`, field 22) and the boot id make it one, so only what was started here is ended.
"""

import json
import os
import signal
import subprocess
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from common.clock import Clock

KILL_WAIT_S: Final = 5.0
"""Seconds that the kernel gets to clear away what was killed."""
POLL_S: Final = 0.05

_PROC: Final = Path("/proc")
_BOOT_ID: Final = _PROC / "sys/kernel/random/boot_id"
_DEAD_STATES: Final = frozenset("ZX")
# Positions in /proc/PID/stat counted from the state, which follows the last ')' of the command's name.
_STATE, _SESSION, _START_TIME = 0, 3, 19


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one boot; never equal to a later process with the same pid."""

    pid: int
    started: int
    """Clock ticks from the boot to the start of the process."""
    boot: str
    """The kernel's id of the boot; empty where it shows none."""


def spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> ProcessIdentity:
    """Start `command` in a session of its own, so that neither Ctrl-C nor the end of this process reaches it.

    Args:
        command: Program and arguments; no shell.
        log: Standard output and error are appended to it; its folder is made.
        environment: The whole environment; this process' own when absent.
        directory: Where it runs; here when absent.

    Raises:
        OSError: The program cannot be started, or the log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is the caller's, word by word
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
    identity = _identity(process.pid, _stat(process.pid))
    with warnings.catch_warnings():
        # Outliving its Popen object is the purpose here; a zombie is reaped by the next Popen or by init.
        warnings.simplefilter("ignore", ResourceWarning)
        del process
    return identity


def identify(pid: int) -> ProcessIdentity | None:
    """Return who runs under `pid` now; None when nobody does, or only a zombie."""
    try:
        stat = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if stat[_STATE] in _DEAD_STATES else _identity(pid, stat)


def is_alive(identity: ProcessIdentity) -> bool:
    """Tell whether this very process still runs."""
    return identify(identity.pid) == identity


async def stop(identities: Iterable[ProcessIdentity], *, grace_s: float, clock: Clock) -> list[ProcessIdentity]:
    """End processes and what is left of their sessions: SIGTERM, wait, SIGKILL.

    Args:
        identities: Leaders of sessions, as `spawn` returned them; the dead and the recycled ones are passed over.
        grace_s: Seconds that all of them together get between the two signals.
        clock: Measures the wait.

    Returns:
        Those leaders that had to be killed.
    """
    leaders = [identity for identity in identities if is_alive(identity)]
    members = _sessions(leaders)
    for leader in leaders:
        _signal(leader, signal.SIGTERM)
    await _wait_for_end(leaders, timeout_s=grace_s, clock=clock)
    stubborn = [leader for leader in leaders if is_alive(leader)]
    left = [member for member in members | _sessions(stubborn) if is_alive(member)]
    for member in left:
        _signal(member, signal.SIGKILL)
    await _wait_for_end(left, timeout_s=KILL_WAIT_S, clock=clock)
    return stubborn


class ProcessTable:
    """The processes started by an earlier command, by name, in a JSON file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, ProcessIdentity]:
        """Return everything recorded, alive or not; empty when there is no file."""
        try:
            recorded = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        return {name: ProcessIdentity(**fields) for name, fields in recorded.items()}

    def alive(self) -> dict[str, ProcessIdentity]:
        """Return what is recorded and still runs."""
        return {name: identity for name, identity in self.read().items() if is_alive(identity)}

    def add(self, name: str, identity: ProcessIdentity) -> None:
        """Record a process under `name`, in place of an earlier one."""
        self._write(self.read() | {name: identity})

    def remove(self, names: Iterable[str]) -> None:
        """Forget processes; unknown names are passed over."""
        gone = set(names)
        self._write({name: identity for name, identity in self.read().items() if name not in gone})

    def _write(self, processes: Mapping[str, ProcessIdentity]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({name: asdict(identity) for name, identity in processes.items()}, indent=1))
        fresh.replace(self._path)


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _identity(pid: int, stat: Sequence[str]) -> ProcessIdentity:
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    return ProcessIdentity(pid, int(stat[_START_TIME]), boot)


def _sessions(leaders: Iterable[ProcessIdentity]) -> set[ProcessIdentity]:
    wanted = {leader.pid for leader in leaders}
    found = set()
    for folder in _PROC.iterdir() if wanted else ():
        if not folder.name.isdigit():
            continue
        try:
            stat = _stat(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat[_SESSION]) in wanted and stat[_STATE] not in _DEAD_STATES:
            found.add(_identity(int(folder.name), stat))
    return found


def _signal(identity: ProcessIdentity, number: signal.Signals) -> None:
    if is_alive(identity):
        try:
            os.kill(identity.pid, number)
        except ProcessLookupError:
            return


async def _wait_for_end(identities: Sequence[ProcessIdentity], *, timeout_s: float, clock: Clock) -> None:
    deadline = clock.monotonic() + timeout_s
    while any(is_alive(identity) for identity in identities) and clock.monotonic() < deadline:
        await clock.sleep(POLL_S)
