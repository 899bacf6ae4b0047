"""Servers that outlive their launcher, and are recognised later by more than a number.

A process is its pid, the moment it started and the boot it belongs to, so a pid that was used again, even after a
reboot, is never taken for one of ours.
"""

import os
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from sandbox.stack.account import Account
from sandbox.stack.errors import NotReadyError

POLL_S: Final = 0.1
_START_TIME, _THREADS, _STATE = 19, 17, 0
"""Fields of /proc/PID/stat (proc(5)), counted from behind the name, which may hold blanks."""

_LAUNCH: Final = """umask 077; log=$1; shift; cd "$1" || exit 1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!"""
"""Run in a new session, which the server inherits before its pid is told; the shell ends and the server becomes init's.
So no terminal, signal or exit of ours reaches it."""


class ServerProcess(BaseModel):
    """One process, as the state file remembers it."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str
    """Boot id and start time in clock ticks since that boot."""

    @classmethod
    def of(cls, pid: int) -> "ServerProcess | None":
        """Return who runs under `pid` now; None when nobody does."""
        started = _identity(pid)
        return None if started is None else cls(pid=pid, started=started)

    def is_alive(self) -> bool:
        """Say whether it runs; one that has ended and was not yet reaped does not."""
        return _identity(self.pid) == self.started

    def wait(self, seconds: float) -> bool:
        """Wait until it ends, at most `seconds`; say whether it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.is_alive():
                return True
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(handle)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to no process that took its pid since."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.is_alive():
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)

    def end(self, number: signal.Signals, *, patience_s: float) -> None:
        """Ask it to end by `number`; after `patience_s` seconds SIGKILL makes it."""
        self.send(number)
        if not self.wait(patience_s):
            self.send(signal.SIGKILL)
            self.wait(patience_s)


def launch(
    command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path, log: Path, account: Account
) -> ServerProcess:
    """Start a server in a session of its own and return at once.

    Args:
        command: Program and arguments; the program must not fork away.
        environment: The whole of it; nothing is inherited.
        folder: Where it runs.
        log: What it prints is appended here.
        account: Whom it runs as.

    Raises:
        NotReadyError: It ended at once.
    """
    words = ["setsid", "/bin/sh", "-c", _LAUNCH, "sh", str(log), str(folder), *map(str, command)]
    answer = account.run(words, environment=environment)
    process = ServerProcess.of(int(answer.stdout.strip() or 0))
    if process is None:
        raise NotReadyError(f"{Path(command[0]).name} ended at once; see {log}")
    return process


def wait_ready(process: ServerProcess, ready: Callable[[], bool], *, name: str, log: Path, patience_s: float) -> None:
    """Ask `ready` every 0.1 s until it says yes.

    Raises:
        NotReadyError: The process ended, or the answer stayed no for about `patience_s` seconds.
    """
    for _ in range(int(patience_s / POLL_S)):
        if ready():
            return
        if process.wait(POLL_S):
            raise NotReadyError(f"{name} ended while it was starting; see {log}")
    raise NotReadyError(f"{name} did not get ready within {patience_s:.0f} s; see {log}")


def _identity(pid: int) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The first thread of a killed process may be gone while others still hold its ports; then it has not ended.
    if fields[_STATE] == "X" or (fields[_STATE] == "Z" and int(fields[_THREADS]) <= 1):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {fields[_START_TIME]}"
