"""What this machine's environment brings by itself, and so what is left to start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr

from common.errors import ConfigurationError
from common.settings import (
    BrokerSettings,
    DatabaseSettings,
    PlatformSettings,
    Port,
    Settings,
    ShopSettings,
    load,
)

PLATFORM: Final = "che168"
"""The platform that the stand-in upstream plays."""
SHOP: Final = "bot_igor"
"""The shop that it plays."""
DEFAULT_OFFERS: Final = 5000
DEFAULT_SEED: Final = 1

_DATABASE_NAMES: Final = ("DB_HOST", "FEEDMILL__DATABASE__HOST")
_BROKER_NAMES: Final = ("RABBITMQ_URL", "FEEDMILL__RABBITMQ__URL")


class GatewayAddress(BaseModel):
    """The part of the section `gateway` that a launcher needs; the gateway itself checks the rest."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: Port = 5555
    secret_key: SecretStr = SecretStr("")

    @property
    def reachable_host(self) -> str:
        """Where this machine reaches the gateway, also when it listens on all addresses."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound


class _LaunchSettings(Settings):
    gateway: GatewayAddress = GatewayAddress()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is given: by the environment, `.env` and `config.yaml`, in this order."""

    environment: Mapping[str, str]
    """The environment, filled up from `.env`."""
    gateway: GatewayAddress
    database: DatabaseSettings
    """What the environment says of it; to be used only when it brings one."""
    brings_database: bool
    brings_broker: bool
    brings_upstream: bool
    brings_shop: bool
    log_directory: Path | None
    offers: int = DEFAULT_OFFERS
    """How many offers the stand-in upstream has."""
    seed: int = DEFAULT_SEED

    @property
    def plays_shop(self) -> bool:
        """Whether the stand-in upstream opens a shop: beside real offers nobody wants made-up products."""
        return not self.brings_upstream and not self.brings_shop

    @property
    def has_shop(self) -> bool:
        """Whether there is a shop to ask, real or not."""
        return self.brings_shop or self.plays_shop

    @property
    def half_a_credential(self) -> str:
        """What there is of key and address of the upstream while the other is missing; empty where there is neither."""
        if self.brings_upstream:
            return ""
        if self.environment.get("CHE168_API_KEY"):
            return "CHE168_API_KEY is set, but neither CHE168_ACCESS_NAME nor CHE168_BASE_URL"
        return "CHE168_ACCESS_NAME is set, but not CHE168_API_KEY" if self.environment.get("CHE168_ACCESS_NAME") else ""


def look_around() -> Surroundings:
    """Read the settings of the current folder; the process' environment is filled up from `.env`.

    Raises:
        ConfigurationError: A key is unknown or its value is wrong; the text names it.
    """
    settings = load(_LaunchSettings)
    platform = settings.platforms.get(PLATFORM, PlatformSettings())
    shop = settings.shops.get(SHOP, ShopSettings())
    has_key = bool(platform.api_key.get_secret_value())
    return Surroundings(
        environment=dict(os.environ),
        gateway=settings.gateway,
        database=settings.database,
        brings_database=_is_given(_DATABASE_NAMES) or settings.database.host != DatabaseSettings().host,
        brings_broker=_is_given(_BROKER_NAMES) or settings.rabbitmq.url != BrokerSettings().url,
        brings_upstream=bool(platform.base_url) or (has_key and bool(platform.access_name)),
        brings_shop=bool(shop.url.get_secret_value()),
        log_directory=settings.log.directory,
        offers=_whole_number("SANDBOX_OFFERS", DEFAULT_OFFERS),
        seed=_whole_number("SANDBOX_SEED", DEFAULT_SEED),
    )


def nothing_given() -> Surroundings:
    """Return surroundings that bring nothing: for what must work although the settings are wrong."""
    return Surroundings(
        environment=dict(os.environ),
        gateway=GatewayAddress(),
        database=DatabaseSettings(),
        brings_database=False,
        brings_broker=False,
        brings_upstream=False,
        brings_shop=False,
        log_directory=None,
    )


def _is_given(names: tuple[str, ...]) -> bool:
    return any(os.environ.get(name) for name in names)


def _whole_number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{name}: a whole number from 0 on is expected")
    return int(text)
