"""The stand-in as a server: in this process, or in one of its own for tests and the launcher."""

import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Protocol, Self

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.upstream.app import API_KEY, UpstreamApp
from sandbox.upstream.errors import NotReadyError
from sandbox.upstream.exchange import RESET_EXTENSION
from sandbox.upstream.shop.contract import SHOP_PATH

_BACKLOG = 128
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_URL = re.compile(r"http://[^\s,]+")


class ResettableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the ASGI extension that resets the connection."""

    def on_message_begin(self) -> None:
        """Offer the extension to each request."""
        super().on_message_begin()
        self.scope["extensions"] = {RESET_EXTENSION: {"reset": self._reset}}

    def _reset(self) -> None:
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket on `port`, or on a free one if that is taken or 0."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        if port == 0:
            raise
        return listen(host, 0)
    return sock


def serve(app: UpstreamApp, sock: socket.socket, *, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `on_ready` is called when connections are accepted."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=ResettableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    on_ready()
    uvicorn.Server(config).run(sockets=[sock])


class Talking(Protocol):
    """A process of which one reads what it prints, such as `subprocess.Popen`."""

    pid: int
    stdout: IO[str] | None

    def terminate(self) -> None:
        """Send SIGTERM."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most `timeout` seconds.

        Raises:
            subprocess.TimeoutExpired: It runs still.
        """
        ...


class UpstreamProcess:
    """A stand-in in a process group of its own on a free port of the loopback.

    `options` are those of `sandbox upstream` (`"--offers", "500"`). Entering waits until it answers.
    `base_url` ends in `/api/v2/<platform>`; `admin` is the root of the stand-in's own endpoints.

    Raises:
        NotReadyError: on entering, when the process ends or stays silent for `timeout_s`.
    """

    def __init__(self, *options: str, timeout_s: float = 30.0) -> None:
        self._options: Sequence[str] = options
        self._timeout_s = timeout_s
        self._process: Talking | None = None
        self.base_url = ""
        self.api_key = options[options.index("--api-key") + 1] if "--api-key" in options else API_KEY

    @property
    def admin(self) -> str:
        """Return the root of `stats`, `faults` and `truth`."""
        return self.base_url.partition("/api/")[0] + "/_sandbox"

    @property
    def shop_url(self) -> str:
        """Return the address of the shop's list, if `--shop` opened one."""
        return self.base_url.partition("/api/")[0] + SHOP_PATH

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        if self._process is None:
            raise NotReadyError("the stand-in is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        """Start the process."""
        self._process = self._started("upstream", "--port", "0", *self._options)
        try:
            self.base_url = self._first_url(self._process)
        except NotReadyError:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the process."""
        self.stop()

    def stop(self) -> None:
        """End the process, politely first; does nothing when it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _started(self, *words: str) -> Talking:
        """Start `sandbox` in a session of its own."""
        command = [sys.executable, "-m", "sandbox", *words]
        return subprocess.Popen(  # noqa: S603 - our own program and options
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def _first_url(self, process: Talking) -> str:
        assert process.stdout is not None  # noqa: S101 - asked for in Popen
        ready, _, _ = select.select([process.stdout], [], [], self._timeout_s)
        line = process.stdout.readline() if ready else ""
        found = _URL.search(line)
        if found is None:
            raise NotReadyError(f"the stand-in upstream did not come up within {self._timeout_s:g} s")
        return found.group()
