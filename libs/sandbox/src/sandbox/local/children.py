"""The services as processes: started once, known again, ended as a whole."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from common.clock import Clock
from sandbox.local.console import last_error, say
from sandbox.local.errors import LocalError
from sandbox.local.runtime import Condition
from sandbox.local.services import Service, made_of
from sandbox.local.state import LocalFolder, StartedService
from sandbox.stack.account import Account
from sandbox.stack.errors import NotReadyError
from sandbox.stack.process import ServerProcess, launch, wait_ready

READY_PATIENCE_S: Final = 60.0
STOP_PATIENCE_S: Final = 15.0
KILL_PATIENCE_S: Final = 5.0
WAIT_STEP_S: Final = 60.0
OWNER_ONLY: Final = 0o077
"""The umask of every process of ours: the first to write a log decides who may read it."""
MAX_OUTPUT_BYTES: Final = 10 * 1024 * 1024
"""What a service prints is in its daily log as well, so a long one is emptied by the next `up`."""


class Children:
    """The processes that the state file of `folder` remembers; they run in `root`."""

    def __init__(self, root: Path, folder: LocalFolder, *, clock: Clock) -> None:
        self._root = root
        self._folder = folder
        self._clock = clock

    def is_alive(self, name: str) -> bool:
        """Say whether the process recorded under `name` runs."""
        started = self._folder.state.services.get(name)
        return started is not None and started.process.is_alive()

    def condition(self, service: Service) -> Condition:
        """Return how one service is now."""
        if not self.is_alive(service.name):
            return Condition(service.name, None, is_ready=False, where=service.where)
        pid = self._folder.state.services[service.name].process.pid
        return Condition(service.name, pid, is_ready=service.is_ready(), where=service.where)

    def bring_up(self, services: Sequence[Service]) -> None:
        """Start what does not run, end what is no longer wanted or was started with other settings or code, and wait.

        Raises:
            LocalError: A service ended or was not ready within 60 s; the text holds its last words.
        """
        digests = {service.name: made_of(service, self._root) for service in services}
        outdated = [
            name
            for name, started in self._folder.state.services.items()
            if started.made_of and started.process.is_alive() and digests.get(name) != started.made_of
        ]
        if outdated:
            say(f"settings or code changed: stopping {', '.join(outdated)}")
            self._end(outdated)
        missing = [service for service in services if not self.is_alive(service.name)]
        if missing:
            say(f"starting {', '.join(service.name for service in missing)}")
        for service in missing:
            self._start(service, digests[service.name])
        for service in services:
            self._wait_until_ready(service)
            output = self.output(service.name)
            if output.exists() and output.stat().st_size > MAX_OUTPUT_BYTES:
                os.truncate(output, 0)

    def stop_all(self) -> list[str]:
        """End every recorded process; return the names of those that ran."""
        running = [name for name in self._folder.state.services if self.is_alive(name)]
        self._end(list(self._folder.state.services))
        return running

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a program in the foreground and return its exit code; while it runs, `stop_all` would end it too.

        It has a session of its own, so that Ctrl-C reaches it as one SIGTERM. The folder is not held meanwhile.
        """
        process = subprocess.Popen(  # noqa: S603 - one of our own commands
            command,
            env=environment,
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            umask=OWNER_ONLY,
        )
        try:
            if identity := ServerProcess.of(process.pid):
                with self._folder.locked():
                    self._record(name, StartedService(process=identity, made_of=""))
            return process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        finally:
            with self._folder.locked():
                self._forget([name])

    def wait_for_end(self, name: str) -> None:
        """Return when a program that an earlier launcher left behind in `run` has ended."""
        started = self._folder.state.services.get(name)
        while started and not started.process.wait(WAIT_STEP_S):
            pass

    def output(self, name: str) -> Path:
        """Return the file with what a service printed since its last start."""
        return self._folder.logs / f"{name}.out"

    def _start(self, service: Service, digest: str) -> None:
        output = self.output(service.name)
        output.unlink(missing_ok=True)
        with _held_signals():
            try:
                process = launch(
                    service.command,
                    environment=service.environment,
                    folder=self._root,
                    log=output,
                    account=Account(),
                )
            except NotReadyError as error:
                raise self._died(service) from error
            self._record(service.name, StartedService(process=process, made_of=digest))

    def _wait_until_ready(self, service: Service) -> None:
        process = self._folder.state.services[service.name].process
        output = self.output(service.name)
        try:
            wait_ready(process, service.is_ready, name=service.name, log=output, patience_s=READY_PATIENCE_S)
        except NotReadyError as error:
            raise (LocalError(str(error)) if process.is_alive() else self._died(service)) from error

    def _died(self, service: Service) -> LocalError:
        output = self.output(service.name)
        said = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
        return LocalError(f"{service.name} did not start: {last_error(said)} (see {output})")

    def _end(self, names: Sequence[str]) -> None:
        processes = [self._folder.state.services[name].process for name in names]
        for process in processes:
            process.send(signal.SIGTERM)
        deadline = self._clock.monotonic() + STOP_PATIENCE_S
        for process in processes:
            if not process.wait(max(0.0, deadline - self._clock.monotonic())):
                process.end(signal.SIGKILL, patience_s=KILL_PATIENCE_S)
        self._forget(names)

    def _record(self, name: str, started: StartedService) -> None:
        self._folder.state.services[name] = started
        self._folder.save()

    def _forget(self, names: Sequence[str]) -> None:
        for name in names:
            self._folder.state.services.pop(name, None)
        self._folder.save_end()


@contextmanager
def _held_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until a process that was started is also recorded."""
    caught: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, handler)
    for number in caught:
        os.kill(os.getpid(), number)
