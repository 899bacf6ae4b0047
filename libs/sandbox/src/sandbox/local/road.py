"""From started services to a served catalogue: tokens, all that is fetched, and what people need to know."""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.clock import Clock
from sandbox.local.console import say, show
from sandbox.local.errors import LocalError
from sandbox.local.http_probe import UnknownTokenError, get_json
from sandbox.local.landing import Holdings, landed
from sandbox.local.runtime import RoadRuntime
from sandbox.local.state import LocalFolder

TOKENS: Final = 20
DONE: Final = 0
WITH_ERRORS: Final = 1
ALREADY_RUNNING: Final = 75


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is fetched.

    Attributes:
        command: Of the fetcher.
        name: For people.
        again: What goes on with it, or does it again.
    """

    command: str
    name: str
    again: str


LOAD: Final = Step("initial-load", "load", "make load")
UPDATE: Final = Step("daily-update", "daily update", "make daily")
SHOP_SYNC: Final = Step("shop-sync", "shop sync", "make shop-sync")


class Road:
    """The way of offers and products through one runtime, as `up` walks it, `steps` one after another."""

    def __init__(self, runtime: RoadRuntime, folder: LocalFolder, steps: Sequence[Step], *, clock: Clock) -> None:
        self._runtime = runtime
        self._folder = folder
        self._steps = steps
        self._clock = clock

    def walk(self) -> int:
        """Start everything, fetch, and print what is there; return the exit code: 0, or 1 when something is missing.

        Raises:
            FeedmillError: Something did not start, or a step ended without a result; what runs goes on running.
        """
        with self._folder.locked():
            self._runtime.start()
            self._runtime.make_tokens(TOKENS, only_if_none=True, description="made by make up")
            token = self._working_token()
        code = max(self._fetched(step) for step in self._steps)
        with self._folder.locked():
            self._runtime.start_fetcher()  # last: its schedule would take the first steps away
        holdings = asyncio.run(landed(lambda: self._ask(token), clock=self._clock))
        for level, line in holdings.lines():
            say(line, level=level)
        show(self._summary(token))
        return code

    def _fetched(self, step: Step) -> int:
        code = self._runtime.fetch(step.command)
        if code == ALREADY_RUNNING:
            say(f"the {step.name} waits for its turn: another fetcher works on the same source", level="WARNING")
            return DONE
        if code == WITH_ERRORS:
            say(f"the {step.name} ended with errors: {step.again} goes on with it", level="WARNING")
        elif code != DONE:
            name = step.name
            raise LocalError(f"the {name} ended with code {code}; what was started goes on running: make down ends it")
        return code

    def _working_token(self) -> str:
        """Return the first handed-out token, or a new one where none is known or it was revoked."""
        try:
            token = self._first_token()
            self._ask(token)
        except (FileNotFoundError, UnknownTokenError):
            self._put_tokens_aside()
            self._runtime.make_tokens(1, only_if_none=False, description="made by make up, the others were not at hand")
            return self._first_token()
        return token

    def _put_tokens_aside(self) -> None:
        """Keep them: only the first may be revoked, or all be of another `SECRET_KEY`, which may come back."""
        tokens = self._folder.tokens
        if tokens.exists():
            kept = tokens.rename(tokens.with_name(f"tokens-{self._clock.now():%Y%m%dT%H%M%SZ}.txt"))
            say(f"the first token of {tokens} is not known to the gateway: all are kept in {kept}", level="WARNING")

    def _first_token(self) -> str:
        return self._folder.tokens.read_text(encoding="ascii").split("\n", maxsplit=1)[0]

    def _ask(self, token: str) -> Holdings:
        host, port = self._runtime.gateway()
        return Holdings.read(get_json(host, port, "/status", token=token))

    def _summary(self, token: str) -> str:
        host, port = self._runtime.gateway()
        base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        call = ["curl", "-H", f"Authorization: Bearer {token}", f"{base}/offers?limit=3"]
        lines = {"Gateway": f"{base}/offers", "Browser": f"{base}/info", "API": f"{base}/docs"}
        if console := self._runtime.console():
            lines["Console"] = f"{console.url}  user {console.user}, password {console.password}"
        lines["Token"] = f"{token}  (all: {self._folder.tokens})"
        lines["Try"] = shlex.join(call)
        return "\n" + "\n".join(f"  {name:<8} {text}" for name, text in lines.items()) + "\n"
