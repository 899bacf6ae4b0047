"""The fetcher as a process, against a database, a virtual host and an upstream of the test's own."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests import forking
from tests.forking import Forked
from tests.noon import noon_zone

from common.settings import DatabaseSettings
from sandbox.stack import Vhost
from sandbox.upstream.server import UpstreamProcess


@dataclass
class Command:
    """Starts `fetcher` with the right environment; `extra` adds to it.

    A first load is not followed by a reconciliation: nothing lands what it publishes.
    """

    database: DatabaseSettings
    vhost: Vhost
    upstream: UpstreamProcess
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    started: list[Forked] = field(default_factory=list)
    day_zone: str = field(default_factory=noon_zone)

    def environment(self) -> dict[str, str]:
        """Return the whole environment."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | {
            "DB_HOST": self.database.host,
            "DB_PORT": str(self.database.port),
            "DB_USER": self.database.user,
            "DB_PASSWORD": self.database.password.get_secret_value(),
            "DB_NAME": self.database.name,
            "RABBITMQ_URL": self.vhost.urls["fetcher"],
            "CHE168_BASE_URL": self.upstream.base_url,
            "CHE168_API_KEY": self.upstream.api_key,
            "FEEDMILL__PLATFORMS__CHE168__MIN_INTERVAL_S": "0",
            "FEEDMILL__PLATFORMS__CHE168__DAY_ZONE": self.day_zone,
            "FEEDMILL__FETCHER__RECONCILE_SWEEPS": "0",
            **self.extra,
        }

    def start(self, *arguments: str) -> Forked:
        """Start a command; what it says goes to `said`."""
        with (self.folder / "said.log").open("ab") as output:
            process = forking.start(
                "fetcher", *arguments, env=self.environment(), cwd=self.folder, output=output.fileno()
            )
        self.started.append(process)
        return process

    def run(self, *arguments: str, within_s: float = 60) -> int:
        """Run a command to its end and return its exit code."""
        return self.start(*arguments).wait(within_s)

    @property
    def said(self) -> str:
        """What all commands printed so far."""
        return (self.folder / "said.log").read_text(encoding="utf-8")

    def wait_for(self, condition: Callable[[], bool], *, within_s: float = 60) -> None:
        """Poll until a condition holds."""
        deadline = time.monotonic() + within_s  # noqa: TID251 - waits for a real process
        while not condition():
            assert time.monotonic() < deadline, self.said  # noqa: TID251 - as above
            time.sleep(0.02)  # noqa: TID251 - as above

    def wait_until_said(self, text: str, *, times: int = 1) -> None:
        """Poll until a text was printed so often."""
        self.wait_for(lambda: self.said.count(text) >= times)

    def end(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
