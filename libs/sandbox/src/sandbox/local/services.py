"""The native services: what each is started with, and how it shows that it is ready."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from common.settings import FLAT_NAMES, OVERRIDE_PREFIX
from sandbox.local.console import last_error
from sandbox.local.errors import LocalError
from sandbox.local.surroundings import PLATFORM, Surroundings
from sandbox.upstream.shop.contract import SHOP_PATH

UPSTREAM_KEY: Final = "sandbox"
KEY_TO_COME: Final = 32 * "x"
"""In place of a `SECRET_KEY` that nobody has given: one is made before the gateway starts."""
LOOPBACK: Final = "127.0.0.1"
ONE_A_MINUTE: Final = 24 * 60
WORLD_WITH_ITS_OWN_PACE: Final = 25_000
"""Offers from which on the stand-in has more than one change a minute by itself (6 % of them a day)."""
_SOURCES: Final = ("libs/*/src/**/*.py", "services/*/src/**/*.py")


@dataclass(frozen=True, slots=True)
class Service:
    """A process of ours that keeps running."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """The whole of it."""
    is_ready: Callable[[], bool]
    where: str = ""
    """What people need to reach it."""


def program(name: str) -> str:
    """Return the path of one of our commands in the virtual environment that runs this."""
    return str(Path(sys.prefix) / "bin" / name)


def check_settings(around: Surroundings, root: Path) -> None:
    """Have every service's settings read as it will read them at its start.

    Raises:
        LocalError: One would refuse them; the text names the key.
    """
    key = around.gateway.secret_key.get_secret_value() or KEY_TO_COME
    environment = {**around.environment, "SECRET_KEY": key}
    words = [program("feedmill"), "doctor", "--settings"]
    done = subprocess.run(words, env=environment, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise LocalError(last_error(done.stdout + done.stderr))


def made_of(service: Service, root: Path) -> str:
    """Return a digest of command, settings and source code: a process with another one is out of date."""
    known = {
        name: value
        for name, value in service.environment.items()
        if name in FLAT_NAMES or name.startswith(OVERRIDE_PREFIX)
    }
    configuration = Path(service.environment.get("FEEDMILL_CONFIG") or root / "config.yaml")
    sources = [file for pattern in _SOURCES for file in root.glob(pattern)]
    newest = max((file.stat().st_mtime_ns for file in sources), default=0)
    text = configuration.read_text(encoding="utf-8") if configuration.is_file() else ""
    everything = json.dumps([service.command, known, text, len(sources), newest], sort_keys=True)
    return hashlib.sha256(everything.encode()).hexdigest()


def upstream_command(around: Surroundings, port: int, *, began: datetime) -> tuple[str, ...]:
    """Return how the stand-in upstream is started: its time goes on, also over restarts."""
    pace = {"--changes-per-day": ONE_A_MINUTE} if around.offers < WORLD_WITH_ITS_OWN_PACE else {}
    world = {"--offers": around.offers, "--seed": around.seed, "--now": began.isoformat(), **pace}
    options = {**world, "--port": port, "--api-key": UPSTREAM_KEY}
    words = (str(word) for option in options.items() for word in option)
    return (program("sandbox"), "upstream", *words, "--live", *(("--shop",) if around.plays_shop else ()))


def upstream_url(port: int) -> str:
    """Return the base URL of the stand-in upstream."""
    return f"http://{LOOPBACK}:{port}/api/v2/{PLATFORM}"


def upstream_variables(around: Surroundings, port: int) -> dict[str, str]:
    """Return what points a fetcher at the stand-in upstream and lets it ask without a pause."""
    shop = {"SHOP_API_URL": f"http://{LOOPBACK}:{port}{SHOP_PATH}"} if around.plays_shop else {}
    return shop | {
        f"{PLATFORM.upper()}_BASE_URL": upstream_url(port),
        f"{PLATFORM.upper()}_API_KEY": UPSTREAM_KEY,
        f"{OVERRIDE_PREFIX}PLATFORMS__{PLATFORM.upper()}__MIN_INTERVAL_S": "0",
        f"{OVERRIDE_PREFIX}FETCHER__LOOKUP_INTERVAL_S": "0",
    }
