"""The whole examination, told in the order in which things depend on each other."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict

from common.broker_nodes import node_urls
from common.clock import Clock
from common.definitions import TEMPLATE, password_name
from common.doctor import broker, database, logins, machine, replica
from common.doctor.report import Line, error, ok, said
from common.errors import ConfigurationError
from common.settings import SERVICE_SETTINGS, Port, Settings, load

CONSOLE_PORT: Final = 15672
LOOKER: Final = "operator"
"""The broker's user for people, who may look at everything and publish commands only."""


class GatewayAddress(BaseModel):
    """The part of the section `gateway` that says where it listens, and where its replica is."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: Port = 5555
    read_host: str = ""
    read_port: Port | None = None

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class DoctorSettings(Settings):
    """What all services share, and where the gateway is."""

    gateway: GatewayAddress = GatewayAddress()

    @property
    def followed(self) -> list[str]:
        """The platforms and shops that are enabled."""
        platforms = [name for name, platform in self.platforms.items() if platform.enabled]
        return platforms + [name for name, shop in self.shops.items() if shop.enabled]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is looked at besides the settings."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    template: Path = TEMPLATE
    secret_files: tuple[Path, ...] = (Path(".env"), Path("tokens.txt"))
    free: machine.FreeBytes = machine.free_bytes


async def examine(around: Surroundings, clock: Clock) -> list[Line]:
    """Look at everything; what cannot be looked at is a line, never an exception."""
    return [line async for line in _lines(around, clock)]


async def _lines(around: Surroundings, clock: Clock) -> AsyncIterator[Line]:
    for line in (*machine.versions(), *machine.settings()):
        yield line
    try:
        settings = load(DoctorSettings)
    except ConfigurationError as fault:
        yield error("settings", str(fault), "mend config.yaml, .env or the environment; nothing else was looked at")
        return
    for line in _machine(settings, around):
        yield line
    url, timeout_s = settings.rabbitmq.url.get_secret_value(), settings.database.connect_timeout_s
    at_once = (
        database.lines(settings.database, clock, followed=settings.followed),
        _replica(settings),
        broker.amqp_lines(url, around.template, timeout_s=timeout_s),
        broker.console_lines(_console(url, around.environment), around.template, timeout_s=timeout_s),
        *(_login(service, around.environment) for service in SERVICE_SETTINGS),
        _gateway(settings.gateway, timeout_s=timeout_s),
    )
    for lines in await asyncio.gather(*map(_all, at_once)):
        for line in lines:
            yield line


async def _all(lines: AsyncIterator[Line]) -> list[Line]:
    return [line async for line in lines]


async def _replica(settings: DoctorSettings) -> AsyncIterator[Line]:
    if host := settings.gateway.read_host:
        place = {"host": host, "port": settings.gateway.read_port or settings.database.port}
        yield await replica.look(settings.database, settings.database.model_copy(update=place))


def _login(service: str, environment: Mapping[str, str]) -> AsyncIterator[Line]:
    own = load(SERVICE_SETTINGS[service]).database
    return logins.lines(service, own, environment.get(f"RABBITMQ_URL_{service.upper()}", ""))


def _machine(settings: Settings, around: Surroundings) -> Iterator[Line]:
    yield from machine.sources(settings)
    yield from machine.disk(filter(None, (Path(), settings.log.directory)), free=around.free)
    yield from machine.secret_files(around.secret_files)


def _console(url: str, environment: Mapping[str, str]) -> broker.Console:
    port = environment.get("RABBITMQ_CONSOLE_PORT") or str(CONSOLE_PORT)
    nodes = [urlsplit(node) for node in node_urls(url)]
    hosts = dict.fromkeys(f"[{node.hostname}]" if ":" in str(node.hostname) else node.hostname for node in nodes)
    urls = tuple(f"http://{host}:{port}" for host in hosts)
    vhost = unquote(nodes[0].path[1:]) or "/"
    return broker.Console(urls, vhost, LOOKER, environment.get(password_name(LOOKER)) or None)


async def _gateway(address: GatewayAddress, *, timeout_s: float) -> AsyncIterator[Line]:
    yield await _asked(address, timeout_s)


async def _asked(address: GatewayAddress, timeout_s: float) -> Line:
    async with httpx.AsyncClient(timeout=timeout_s) as client:
        try:
            answer = await client.get(f"{address.url}/health/ready")
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            return error("gateway", f"{address.url}: {said(fault)}", "start it, and look at its log")
    if answer.is_success:
        return ok("gateway", f"{address.url} is ready")
    try:
        why = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):  # whoever answers there is no gateway of ours
        why = answer.text[:200]
    return error("gateway", f"{address.url}: {answer.status_code}, {why}", "look at its log")
