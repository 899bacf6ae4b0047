"""Reading docker-compose.yml as Compose does, as far as the rules need it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

OURS: Final = frozenset({"feedmill", "fetcher", "normalizer", "gateway", "sandbox"})
"""The console scripts of the five packages."""

Service = dict[str, Any]

_VARIABLE = re.compile(r"(?<!\$)\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.?\d*[\w.-]*")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def services(text: str) -> dict[str, Service]:
    """Return the services of a Compose file by name, anchors resolved, variables not."""
    found: dict[str, Service] = yaml.safe_load(text)["services"]
    return found


def variables(text: str) -> set[str]:
    """Return the names of all variables that a Compose file asks the environment for."""
    return {name for line in text.splitlines() if not line.lstrip().startswith("#") for name in _VARIABLE.findall(line)}


def interpolated(value: str, environment: Mapping[str, str]) -> str:
    """Return a value with `${NAME}`, `${NAME:-default}` and `${NAME:+replacement}` filled in, innermost first."""
    inner = re.compile(r"\$\{(\w+)(?::([-+])([^${}]*))?\}")
    while found := inner.search(value):
        given, sign, other = environment.get(found[1], ""), found[2], found[3]
        filled = (given and other) if sign == "+" else (given or other or "")
        value = value[: found.start()] + filled + value[found.end() :]
    return value.replace("$$", "$")


def seconds(duration: str) -> float:
    """Return the length of a duration such as `1m30s`."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", duration)
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def without_healthcheck(found: Mapping[str, Service]) -> list[str]:
    """Name the services that say nothing of their health."""
    return [name for name, service in found.items() if not service.get("healthcheck", {}).get("test")]


def open_ports(found: Mapping[str, Service]) -> list[str]:
    """Name the published ports that more than this machine could reach."""
    published = ((name, str(port)) for name, service in found.items() for port in service.get("ports", []))
    return [f"{name}: {port}" for name, port in published if not port.startswith("127.0.0.1:")]


def loose_tags(images: Mapping[str, str]) -> list[str]:
    """Name the images that are not pinned by a version."""
    return [f"{name}: {image}" for name, image in images.items() if not _PINNED.fullmatch(image)]


def hasty(found: Mapping[str, Service], *, needed_s: float) -> list[str]:
    """Name the services that are killed before they had `needed_s` seconds to end."""
    return [name for name, service in found.items() if seconds(service.get("stop_grace_period", "10s")) <= needed_s]


def our_commands(found: Mapping[str, Service]) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of a service and a command of ours: what it runs, and what its health check runs."""
    for name, service in found.items():
        health = service.get("healthcheck", {}).get("test", [])
        for words in (service.get("command", []), health[1:] if health[:1] == ["CMD"] else []):
            if words and words[0] in OURS:
                yield name, [str(word) for word in words]


def mighty(found: Mapping[str, Service]) -> list[str]:
    """Name what could write beside its volumes and `tmpfs`, act as root, or gain rights.

    An image of ours names its user itself, as another test sees to.
    """
    wanted = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
    wrong = [f"{name}: {key}" for name, service in found.items() for key in wanted if service.get(key) != wanted[key]]
    extra = ("privileged", "cap_add", "devices", "pid", "network_mode")
    wrong += [f"{name}: {key}" for name, service in found.items() for key in extra if key in service]
    wrong += [f"{name}: user" for name, service in found.items() if re.match(r"(root|0)\b", service.get("user", ""))]
    return wrong + [f"{name}: tmpfs" for name, service in found.items() if "/tmp" not in (service.get("tmpfs") or ())]  # noqa: S108 - of a container


def missing_sources(found: Mapping[str, Service], root: Path) -> list[str]:
    """Name the files that are mounted from the repository but are not there."""
    mounts = (volume.split(":")[0] for service in found.values() for volume in service.get("volumes", []))
    return sorted({mount for mount in mounts if mount.startswith(".") and not (root / mount).exists()})


def waits_for_nobody(found: Mapping[str, Service]) -> list[str]:
    """Name each dependency that is gated neither by health nor by success."""
    gates = {"service_healthy", "service_completed_successfully"}
    return [
        f"{name}: {other}"
        for name, service in found.items()
        for other, how in dict(service.get("depends_on", {})).items()
        if how.get("condition") not in gates or other not in found
    ]
