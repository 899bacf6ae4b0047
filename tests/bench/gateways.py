"""Gateways, and what they are held against, as real processes on a filled database."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.settings import DatabaseSettings

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef0123456789abcdef"
UNLIMITED = {
    "FEEDMILL__GATEWAY__RATE_LIMIT_PER_MINUTE": "1000000",
    "FEEDMILL__GATEWAY__RATE_LIMIT_BURST": "1000000",
}
"""A limit that is on and not reached."""
START_WITHIN_S = 20.0
STOP_WITHIN_S = 15.0


@dataclass
class Served:
    """A server that runs, in a session of its own, with what it says in a file."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def resident_mb(self, *, peak: bool = False) -> float:
        """Return its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def cpu_s(self) -> float:
        """Return the processor seconds that it has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        """Return how many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def said(self) -> str:
        """Return what it printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def tasks(self) -> int:
        """Return how many asyncio tasks it has; of `tests.bench.watched` only."""
        known = self.said().count("tasks=")
        self.process.send_signal(signal.SIGUSR1)
        end = now() + START_WITHIN_S
        while self.said().count("tasks=") == known and now() < end:
            pause(0.02)
        return int(self.said().rpartition("tasks=")[2].split()[0])

    def stop(self) -> None:
        """End it in order, or by force."""
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Gateways:
    """Starts servers on one database and ends them all; gives out one connection to each port.

    Args:
        database: Where the offers are.
        folder: For what they say.
    """

    def __init__(self, database: DatabaseSettings, folder: Path) -> None:
        self.database = database
        self._folder = folder
        self._running: list[Served] = []

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a server."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "DB_HOST": self.database.host,
            "DB_PORT": str(self.database.port),
            "DB_USER": self.database.user,
            "DB_PASSWORD": self.database.password.get_secret_value(),
            "DB_NAME": self.database.name,
            "SECRET_KEY": KEY,
        }

    def start(self, module: str, *arguments: str, extra: Mapping[str, str] | None = None) -> Served:
        """Start a module; `{port}` in an argument becomes its port, which `API_PORT` is as well."""
        port = free_port()
        output = self._folder / f"{module}-{port}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, "-m", module, *(argument.format(port=port) for argument in arguments)],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self.environment() | {"API_PORT": str(port), **(extra or {})},
                cwd=self._folder,
                start_new_session=True,
            )
        served = Served(process, port, output)
        self._running.append(served)
        _await_port(served)
        return served

    def tokens(self, count: int) -> Sequence[str]:
        """Make tokens."""
        made = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "gateway", "tokens", "create", "--count", str(count)],
            env=self.environment(),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout.split()

    def revoke(self, token_id: int) -> None:
        """Revoke a token."""
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "gateway", "tokens", "revoke", str(token_id)],
            env=self.environment(),
            cwd=self._folder,
            capture_output=True,
            check=True,
        )

    def stop(self, served: Served) -> None:
        """End one."""
        self._running.remove(served)
        served.stop()

    def stop_all(self) -> None:
        """End those that still run."""
        for served in list(self._running):
            self.stop(served)


class Caller:
    """One kept connection, by which one asks again and again."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
        self._connection.connect()
        sock: socket.socket = self._connection.sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = {"Authorization": f"Bearer {token}"}
        self.elapsed_ms = 0.0
        self.sources = ""

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask once and return status and body; `elapsed_ms` is what it took, `sources` what X-Sources says."""
        started = now()
        answer = self.opened(path)
        body = answer.read()
        self.elapsed_ms = (now() - started) * 1000
        self.sources = answer.getheader("X-Sources", "")
        return answer.status, body

    def opened(self, path: str) -> http.client.HTTPResponse:
        """Ask once and return the answer, its body still to be read."""
        self._connection.request("GET", path, headers=self._headers)
        return self._connection.getresponse()

    def ms(self, path: str) -> float:
        """Ask once and return how long it took.

        Raises:
            SystemExit: The answer is an error.
        """
        status, body = self.get(path)
        if status >= http.client.BAD_REQUEST:
            raise SystemExit(f"{path}: {status} {body[:300]!r}")
        return self.elapsed_ms

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def now() -> float:
    """Return seconds of the real clock."""
    return time.monotonic()  # noqa: TID251 - a benchmark reads the real clock


def pause(seconds: float) -> None:
    """Wait in real time."""
    time.sleep(seconds)  # noqa: TID251 - as above


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _await_port(served: Served) -> None:
    end = now() + START_WITHIN_S
    while now() < end and served.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", served.port), timeout=1).close()
        except OSError:
            pause(0.05)
        else:
            return
    raise SystemExit(f"it does not listen: {served.said()}")
