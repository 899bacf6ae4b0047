"""The gateway's settings: those of every service and the section `gateway`."""

from ipaddress import ip_address
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr

from common.errors import ConfigurationError
from common.settings import Port, Section, Settings, load

MIN_SECRET_CHARACTERS: Final = 32


class GatewaySection(Section):
    """How the gateway listens and whom it lets in."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` listens on all."""
    port: Port = 5555
    secret_key: SecretStr = SecretStr("")
    """At least 32 characters, random. Changing it makes every token and cursor void."""
    docs_access: Literal["auto", "open", "token"] = "auto"
    """Whether `/docs` and `/openapi.json` need a token; auto: not on a loopback address."""
    read_timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    """How long one read may take in the database."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    """How long a request waits for a connection to the database."""
    token_cache_ttl_s: Annotated[float, Field(ge=0, le=5)] = 4.0
    """How long a token is taken for valid without asking again; the most that a revocation takes."""
    shutdown_timeout_s: Annotated[int, Field(ge=1, le=60)] = 10
    """How long requests in flight may take to end when the gateway is stopped."""

    @property
    def docs_open(self) -> bool:
        """Whether the documentation needs no token."""
        return self.docs_access == "open" or (self.docs_access == "auto" and is_loopback(self.host))


class GatewaySettings(Settings):
    """All that the gateway reads."""

    gateway: GatewaySection = GatewaySection()

    @property
    def key(self) -> bytes:
        """The secret key."""
        return self.gateway.secret_key.get_secret_value().encode()

    @property
    def followed(self) -> frozenset[str]:
        """The platforms and shops that are enabled. Where they are is for the fetcher alone to know."""
        platforms = (name for name, platform in self.platforms.items() if platform.enabled)
        shops = (name for name, shop in self.shops.items() if shop.enabled)
        return frozenset([*platforms, *shops])


def load_settings() -> GatewaySettings:
    """Read the settings.

    Raises:
        ConfigurationError: A key is unknown or its value is wrong, or SECRET_KEY is missing or short.
    """
    settings = load(GatewaySettings)
    if len(settings.gateway.secret_key.get_secret_value()) < MIN_SECRET_CHARACTERS:
        raise ConfigurationError(f"SECRET_KEY is missing or shorter than {MIN_SECRET_CHARACTERS} characters")
    return settings


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
