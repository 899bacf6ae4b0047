"""Our commands as processes of their own that do not import everything again: a start costs 0.05 s instead of 0.8 s.

They are forked from one process that has imported the services and done nothing else, which is as good as new because
nothing happens at import. Each has its own session, environment, folder and output, and dies by any signal as it would
by itself; only its parent is the forking process, which reports how it ended.
"""

import atexit
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

from sandbox.upstream.server import Talking, UpstreamProcess

IMPORTED: Final = (
    "fetcher.app",
    "normalizer.app",
    "normalizer.entrypoints.subscriber",
    "gateway.app",
    "sandbox.local.cli",
    "sandbox.upstream.cli",
)
MOST_BYTES: Final = 65_536
"""Of an order."""


class Forked:
    """A process, used as `subprocess.Popen` is."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self._report = report

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most `timeout` seconds, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: It runs still.
        """
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], seconds)[0]:
            self.returncode = int(os.read(self._report, 16))
            os.close(self._report)
        return self.returncode


class Upstream(UpstreamProcess):
    """The stand-in upstream as such a process."""

    def _started(self, *words: str) -> Talking:
        said, saying = os.pipe()
        try:
            process = start("sandbox", *words, env=os.environ, cwd=Path.cwd(), output=saying, errors=2)
        finally:
            os.close(saying)
        process.stdout = os.fdopen(said)
        return process


def start(
    module: str, *arguments: str, env: Mapping[str, str], cwd: Path, output: int, errors: int | None = None
) -> Forked:
    """Start `python -m module` in a session of its own, with warnings as errors and this environment only.

    Args:
        module: With `PYTHONPATH` in `env`, also one that lies there.
        arguments: Its own.
        env: The whole of it.
        cwd: Where it runs.
        output: File that takes what it prints.
        errors: File that takes its errors; None: the same.
    """
    report, reported = os.pipe()
    order = {"module": module, "arguments": arguments, "env": dict(env), "cwd": str(cwd)}
    control = _forking()
    try:
        socket.send_fds(control, [json.dumps(order).encode()], [output, output if errors is None else errors, reported])
    finally:
        os.close(reported)
    return Forked(int(control.recv(16)), report)


@cache
def _forking() -> socket.socket:
    """Start the process that forks; it ends with this one."""
    control, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(  # noqa: S603 - this file
        [sys.executable, __file__, str(its_end.fileno())],
        pass_fds=[its_end.fileno()],
        env={**os.environ, "PYTHONWARNINGS": "error"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    its_end.close()

    def end() -> None:
        control.close()
        process.wait()

    atexit.register(end)
    return control


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork for each order until nobody orders any more; returns the order in each child, and None in the end."""
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    reports: dict[int, int] = {}
    while True:
        ready = select.select([control.fileno(), awake], [], [])[0]
        if awake in ready:
            os.read(awake, 4096)
            _report_ended(reports)
        if control.fileno() not in ready:
            continue
        message, passed, _, _ = socket.recv_fds(control, MOST_BYTES, 3)
        if not message:
            control.close()
            return None
        *outputs, report = passed
        pid = os.fork()
        if not pid:
            control.detach()
            order: dict[str, Any] = json.loads(message)
            _become(order, outputs)
            return order
        reports[pid] = report
        for output in outputs:
            os.close(output)
        control.send(str(pid).encode())


def _report_ended(reports: dict[int, int]) -> None:
    for pid in list(reports):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            report = reports.pop(pid)
            os.write(report, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(report)


def _become(order: Mapping[str, Any], outputs: Iterable[int]) -> None:
    """Turn a forked process into a started one."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for output, place in zip(outputs, (1, 2), strict=True):
        os.dup2(output, place)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[0] = order["cwd"]
    sys.path[1:1] = [folder for folder in order["env"].get("PYTHONPATH", "").split(os.pathsep) if folder]
    sys.argv = [order["module"], *order["arguments"]]


if __name__ == "__main__":
    for name in IMPORTED:
        import_module(name)
    ordered = _serve(socket.socket(fileno=int(sys.argv[1])))
    if ordered is not None:
        runpy.run_module(ordered["module"], run_name="__main__", alter_sys=True)
