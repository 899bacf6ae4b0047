"""`sandbox local up | down | status | logs | run | dump | restore | psql | console`: feedmill on this machine."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from common.clock import SystemClock
from common.errors import ConfigurationError, FeedmillError
from sandbox.local.children import OWNER_ONLY
from sandbox.local.compose import ComposeRuntime, engine_answers
from sandbox.local.console import say, show
from sandbox.local.errors import LocalError
from sandbox.local.native import NativeRuntime
from sandbox.local.road import LOAD, SHOP_SYNC, UPDATE, Road
from sandbox.local.runtime import Invocation, Runtime
from sandbox.local.services import check_settings
from sandbox.local.state import LocalFolder
from sandbox.local.surroundings import Surroundings, look_around, nothing_given

ROOT: Final = Path(__file__).resolve().parents[5]
"""The clone: our packages are installed from it in place."""
INTERRUPTED: Final = 130

Action = Callable[[argparse.Namespace], int]
Source = Literal["stand-in", "real"]


class Launcher:
    """The commands on one clone; each returns an exit code.

    Raises:
        FeedmillError: Settings or state cannot be read.
    """

    def __init__(self, root: Path) -> None:
        os.chdir(root)
        self._root = root
        self._folder = LocalFolder(root / ".local")
        self._clock = SystemClock()

    @cached_property
    def _around(self) -> Surroundings:
        return look_around()

    def up(self, _options: argparse.Namespace) -> int:
        """Start what does not run, fetch offers and products, and print what is there."""
        if half := self._around.half_a_credential:
            say(f"{half}: the stand-in upstream is used", level="WARNING")
        check_settings(self._around, self._root)  # before a service that runs is stopped to be started with them
        runtime = self._choose_runtime()
        self._keep_sources_apart()
        steps = [LOAD, UPDATE, *([SHOP_SYNC] if self._around.has_shop else [])]
        return Road(runtime, self._folder, steps, clock=self._clock).walk()

    def down(self, options: argparse.Namespace) -> int:
        """Stop exactly what `up` started, whatever the settings have become since; the data stay."""
        try:
            look_around()
        except ConfigurationError as error:
            say(f"{error}; stopping nevertheless", level="WARNING")
            self._around = nothing_given()
        with self._folder.locked():
            ended = self._runtime().delete_data() if options.delete_data else self._runtime().stop()
            if options.delete_data:
                self._folder.state.upstream = self._folder.state.shop = self._folder.state.stand_in_began = None
                self._folder.save()
        say(f"stopped: {', '.join(ended)}" if ended else "nothing was running")
        return 0

    def status(self, _options: argparse.Namespace) -> int:
        """Show each server and service; the exit code is 0 only when all are ready."""
        conditions = self._runtime().conditions()
        for one in conditions:
            state = "ready" if one.is_ready else "not ready" if one.pid else "not running"
            show(f"{one.name:<12} {one.pid or '-':>8}  {state:<12} {one.where}".rstrip())
        if conditions and all(one.is_ready for one in conditions):
            return 0
        say("make up starts what is missing, make doctor says what is wrong", level="WARNING")
        return 1

    def logs(self, _options: argparse.Namespace) -> int:
        """Follow the logs."""
        return self._become(self._runtime().logs())

    def run(self, options: argparse.Namespace) -> int:
        """Become one of our commands, pointed at what `up` started."""
        invocation = self._runtime().command([options.program, *options.words])
        os.umask(OWNER_ONLY)
        return self._become(invocation)

    def dump(self, options: argparse.Namespace) -> int:
        """Write the database to a new folder; services go on meanwhile."""
        folder = options.folder or self._root / "dumps" / f"feedmill-{self._clock.now():%Y%m%dT%H%M%SZ}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        return self._become(self._runtime().transfer("dump", folder.absolute()))

    def restore(self, options: argparse.Namespace) -> int:
        """Stop the services and make the database what a dump holds, all of it or nothing.

        A dump that would be refused stops nothing.
        """
        runtime, folder = self._choose_runtime(), options.folder.absolute()
        force = ["--force"] if options.force else []
        with self._folder.locked():
            runtime.start_database()
            if refused := self._wait_for(runtime.transfer("restore", folder, "--check", *force)):
                return refused
            runtime.stop_services()
        code = self._wait_for(runtime.transfer("restore", folder, *force))
        say("the services are stopped: make up starts them, and goes on from what the database holds")
        return code

    def psql(self, _options: argparse.Namespace) -> int:
        """Become psql on the database."""
        return self._become(self._runtime().psql())

    def console(self, _options: argparse.Namespace) -> int:
        """Show where the broker's console is, and who may open it."""
        console = self._runtime().console()
        if console is None:
            raise LocalError("the broker is not ours: ask its operator for the console")
        show(f"{console.url}  user {console.user}, password {console.password}")
        return 0

    def _runtime(self) -> Runtime:
        """Return the runtime of the last `up`."""
        if self._folder.state.runtime == "compose":
            return ComposeRuntime(self._root, self._folder, self._around)
        return NativeRuntime(self._root, self._folder, self._around, clock=self._clock)

    def _choose_runtime(self) -> Runtime:
        """Settle on Compose where an engine answers, else on native processes, and keep to it: the data are there."""
        with self._folder.locked():
            state, has_engine = self._folder.state, engine_answers(self._around.environment)
            if state.runtime == "compose" and not has_engine:
                raise LocalError(
                    "no Docker engine answers, but the data of the last 'make up' are in its volumes: "
                    "start it, or remove .local/up.json to begin anew without it"
                )
            state.runtime = state.runtime or ("compose" if has_engine else "native")
            self._folder.save()
        return self._runtime()

    def _keep_sources_apart(self) -> None:
        """Refuse to load from a real source into what its stand-in brought, and the other way round."""
        around = self._around
        with self._folder.locked():
            state = self._folder.state
            state.upstream = _same_source("upstream", state.upstream, is_real=around.brings_upstream)
            if around.has_shop:
                state.shop = _same_source("shop", state.shop, is_real=around.brings_shop)
            self._folder.save()

    def _wait_for(self, invocation: Invocation) -> int:
        done = subprocess.run(invocation.words, env=invocation.environment, cwd=self._root, check=False)  # noqa: S603 - our own command
        return done.returncode

    def _become(self, invocation: Invocation) -> int:
        os.execvpe(invocation.words[0], list(invocation.words), dict(invocation.environment))  # noqa: S606 - one of the fixed programs above


def _same_source(name: str, before: Source | None, *, is_real: bool) -> Source:
    """Return where the data of a source come from now.

    Raises:
        LocalError: They came from elsewhere before.
    """
    wanted: Source = "real" if is_real else "stand-in"
    if before not in {None, wanted}:
        raise LocalError(
            f"the data here come from the {before} {name} and .env now asks for the {wanted} one; "
            "to begin anew without them: .venv/bin/sandbox local down --delete-data"
        )
    return wanted


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `local` and its actions to the command line of `sandbox`."""
    parser = commands.add_parser("local", help="the whole of feedmill on this machine", description=__doc__)
    where = "folder with .env, config.yaml and .local (default: the clone)"
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help=where)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, action in (
        ("up", Launcher.up),
        ("down", Launcher.down),
        ("status", Launcher.status),
        ("logs", Launcher.logs),
        ("run", Launcher.run),
        ("dump", Launcher.dump),
        ("restore", Launcher.restore),
        ("psql", Launcher.psql),
        ("console", Launcher.console),
    ):
        one = actions.add_parser(name, help=action.__doc__, description=action.__doc__)
        if name == "down":
            one.add_argument("--delete-data", action="store_true", help="remove the data of our servers as well")
        if name in {"dump", "restore"}:
            one.add_argument("folder", type=Path, nargs="?" if name == "dump" else None, metavar="FOLDER")
        if name == "restore":
            one.add_argument("--force", action="store_true", help="replace what the database holds")
        if name == "run":
            one.add_argument("program", metavar="COMMAND", help="one of ours, such as fetcher")
            one.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its options, such as initial-load")
        one.set_defaults(run=_guarded(action))


def _guarded(action: Callable[[Launcher, argparse.Namespace], int]) -> Action:
    """Return `action` with its errors as one line and exit code 1, and with Ctrl-C and SIGTERM as code 130."""

    def run(options: argparse.Namespace) -> int:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return action(Launcher(options.root.resolve()), options)
        except FeedmillError as error:
            say(str(error), level="ERROR")
            return 1
        except KeyboardInterrupt:
            say("interrupted; what was started goes on running: make down ends it", level="WARNING")
            return INTERRUPTED
        except BrokenPipeError:  # whoever read our output has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1

    return run
