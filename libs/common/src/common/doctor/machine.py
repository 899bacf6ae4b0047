"""This machine: Python, our packages and their settings, free space, and files that hold secrets."""

import contextlib
import platform
import shutil
import socket
import stat
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from common.doctor.report import Line, error, ok, said, warning
from common.errors import ConfigurationError
from common.loopback import is_loopback
from common.settings import Settings, load

SETTINGS_GROUP: Final = "feedmill.settings"
"""Entry points of the services: their settings' class, or what loads and checks them."""
PACKAGES: Final = tuple(f"feedmill-{name}" for name in ("common", "fetcher", "normalizer", "gateway", "sandbox"))
"""Those of them that are installed must be of one version."""
LITTLE_BYTES: Final = 5 * 2**30
TOO_LITTLE_BYTES: Final = 2**30
LISTENS_WITHIN_S: Final = 1.0
"""Who listens on this machine answers at once."""
_PORTS: Final = {"http": 80, "https": 443}

FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Return what is free for this user where a folder lies."""
    return shutil.disk_usage(folder).free


def versions() -> Iterator[Line]:
    """Look at Python and at our packages, which must be of one version."""
    yield ok("python", platform.python_version())
    found = dict(_installed())
    if len(set(found.values())) > 1:
        seen = ", ".join(f"{name} {number}" for name, number in found.items())
        yield error("packages", seen, "install all of them from one checkout: deploy/install.sh runtime")
    else:
        yield ok("packages", f"{', '.join(found)} {next(iter(found.values()), '')}")


def _installed() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            yield name, version(name)


def settings() -> Iterator[Line]:
    """Read the settings of each service that is installed here, as it does itself at its start."""
    for service in sorted(entry_points(group=SETTINGS_GROUP), key=lambda point: point.name):
        name = f"settings of {service.name}"
        found = service.load()
        try:
            if isinstance(found, type) and issubclass(found, Settings):
                load(found)
            else:
                found()
        except ConfigurationError as fault:
            yield error(
                name, str(fault), "mend config.yaml, .env or the environment; docs/operations.md and .env.example"
            )
        else:
            yield ok(name, "complete")


def sources(settings: Settings) -> Iterator[Line]:
    """Look whether each platform that is to be asked can be asked, and, where that is on this machine, listens."""
    for name, one in settings.platforms.items():
        if one.enabled:
            reachable = one.base_url or (one.access_name and one.api_key.get_secret_value())
            advice = f"platforms.{name}: api_key and access_name, or base_url; or enabled: false"
            yield _source(name, one.base_url) if reachable else warning(f"source {name}", "no credentials", advice)
    for name, shop in settings.shops.items():
        if shop.enabled:
            advice = f"shops.{name}.url (SHOP_API_URL for bot_igor); or enabled: false"
            url = shop.url.get_secret_value()
            yield _source(name, url) if url else warning(f"source {name}", "no address", advice)


def _source(name: str, url: str) -> Line:
    what, place = f"source {name}", _place(url)
    if place is not None and is_loopback(place[0]):
        try:
            socket.create_connection(place, LISTENS_WITHIN_S).close()
        except OSError as fault:
            seen = f"{place[0]}:{place[1]}: {said(fault)}"
            return error(what, seen, "start what should listen there; the stand-in upstream: make up")
    return ok(what, "configured")


def _place(url: str) -> tuple[str, int] | None:
    """Return host and port; None for what is no address, which the fetcher's settings refuse."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None


def disk(folders: Iterable[Path], *, free: FreeBytes) -> Iterator[Line]:
    """Look whether something is free where we write."""
    for folder in folders:
        try:
            left = free(folder)
        except OSError as fault:
            yield error(f"disk {folder}", str(fault.strerror), "make the folder, for the user of the services")
            continue
        seen = f"{left / 2**30:.1f} GB free"
        advice = "free some: old dumps, docker image prune, journalctl --vacuum-size=500M; or a larger disk"
        level = error if left < TOO_LITTLE_BYTES else warning
        yield level(f"disk {folder}", seen, advice) if left < LITTLE_BYTES else ok(f"disk {folder}", seen)


def secret_files(paths: Iterable[Path]) -> Iterator[Line]:
    """Look whether files with secrets are for their owner and group only."""
    for path in paths:
        if not path.is_file():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & stat.S_IRWXO:
            yield warning(f"file {path}", f"everybody may read it ({mode:o})", f"chmod o= {path}")
        else:
            yield ok(f"file {path}", f"closed to others ({mode:o})")
