"""The gateway's settings: those of every service and the sections `gateway` and `sources`."""

from typing import Annotated, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, IPvAnyNetwork, SecretStr

from common.errors import ConfigurationError
from common.loopback import is_loopback
from common.settings import DatabaseSettings, Port, Section, Settings, load
from gateway.core.autoapi import Dialect
from gateway.core.rate_limit import Quota

MIN_SECRET_CHARACTERS: Final = 32
ORIGIN_PATTERN: Final = r"^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$"
_IPV4: Final = 4
LEFT_OVER_S: Final = 0.5
"""How much longer than its deadline a source's connection attempt may live."""
STATEMENT_LEFT_OVER_S: Final = 0.1
"""How much longer than that a statement may: the server ends it once the answer is out, within `aggregate.GRACE_S`."""


class GatewaySection(Section):
    """How the gateway listens and whom it lets in."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` listens on all."""
    port: Port = 5555
    secret_key: SecretStr = SecretStr("")
    """At least 32 characters, random. Changing it makes every token and cursor void."""
    docs_access: Literal["auto", "open", "token"] = "auto"
    """Whether `/docs` and `/openapi.json` need a token; auto: not on a loopback address."""
    info_access: Literal["auto", "local", "open", "token"] = "auto"
    """Whether `/info` needs a token; local: not from whoever calls it by a loopback address, for where nobody but this
    machine reaches it; auto: the same on a loopback address, and a token on others."""
    read_timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    """How long one read may take in the database."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    """How long a request waits for a connection to the database."""
    read_host: str = ""
    """A streaming replica of the database, which answers what shows the catalogue; none: the database does."""
    read_port: Port | None = None
    """Its port; None: the database's."""
    read_lag_s: Annotated[float, Field(ge=2, le=3600)] = 10.0
    """How old an answer of the replica may be; while it lags more, the database answers."""
    token_cache_ttl_s: Annotated[float, Field(ge=0, le=5)] = 4.0
    """How long a token is taken for valid without asking again; the most that a revocation takes."""
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 1200
    """Requests that each token earns in a minute."""
    rate_limit_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    """Requests that each token may spend at once."""
    processes: Annotated[int, Field(ge=1, le=1000)] = 1
    """Gateways that share the database; while it is away each allows this part of the limit."""
    trusted_proxies: list[IPvAnyNetwork] = Field(default_factory=list)
    """Proxies whose X-Forwarded-For names the client."""
    cors_origins: list[Annotated[str, Field(pattern=ORIGIN_PATTERN)]] = Field(default_factory=list)
    """Origins whose pages may read answers, such as `https://cars.example`; exact, without a slash at the end."""
    autoapi_contacts: bool = False
    """Whether `/api/v2` gives out contacts of persons that a platform's extras hold, such as inspectors."""
    receive_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long a request may take to come, counted from the connection or its first byte."""
    send_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long a client may take nothing of an answer before its connection is closed."""
    most_connections: Annotated[int, Field(ge=10, le=100_000)] = 800
    """Connections at once; for one more, the connection that has longest had nothing to answer is closed."""
    most_streams: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Clients of `/offers/stream` at once; one more is told to come back later."""
    most_exports: Annotated[int, Field(ge=1, le=20)] = 2
    """Exports at once; each has a connection of its own and some 10 MB."""
    shutdown_timeout_s: Annotated[int, Field(ge=1, le=60)] = 10
    """How long requests in flight may take to end when the gateway is stopped."""

    @property
    def quota(self) -> Quota:
        """The limit of each token."""
        return Quota(self.rate_limit_burst, 60 / self.rate_limit_per_minute)

    @property
    def docs_open(self) -> bool:
        """Whether the documentation needs no token."""
        return self._is_open(self.docs_access)

    @property
    def info_open(self) -> bool:
        """Whether `/info` needs no token."""
        return self.info_access == "local" or self._is_open(self.info_access)

    @property
    def info_only_local(self) -> bool:
        """Whether it needs none only where the request names this machine."""
        return self.info_access in {"auto", "local"}

    @property
    def proxies(self) -> list[str]:
        """The trusted proxies, also as a socket that listens on `::` shows those of IPv4 (`::ffff:10.0.0.0/104`)."""
        mapped = [f"::ffff:{n.network_address}/{96 + n.prefixlen}" for n in self.trusted_proxies if n.version == _IPV4]
        return [*map(str, self.trusted_proxies), *mapped]

    def _is_open(self, access: str) -> bool:
        return access == "open" or (access == "auto" and is_loopback(self.host))


class SourceSettings(Section):
    """Where one reference source is; what is None is as in the section `database`."""

    host: str | None = None
    port: Port | None = None
    user: str | None = None
    password: SecretStr | None = None
    name: str | None = None


class SourcesSection(Section):
    """The three reference sources, tables `source_1` to `source_3`, that are asked at once."""

    timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    """Time for everything, connecting to last row, after which a source is missing."""
    pool_size: Annotated[int, Field(ge=1, le=20)] = 3
    """Connections kept to each."""
    source_1: SourceSettings = SourceSettings()
    source_2: SourceSettings = SourceSettings()
    source_3: SourceSettings = SourceSettings()

    def database_of(self, source: SourceSettings, main: DatabaseSettings) -> DatabaseSettings:
        """Return where a source is. Its own bounds lie behind `timeout_s`: they end what is left over then."""
        own = {name: value for name, value in dict(source).items() if value is not None}
        bounds = {
            "connect_timeout_s": self.timeout_s + LEFT_OVER_S,
            "statement_timeout_s": self.timeout_s + STATEMENT_LEFT_OVER_S,
            "lock_timeout_s": self.timeout_s + LEFT_OVER_S,
        }
        return main.model_copy(update={"pool_size": self.pool_size, **bounds, **own})


class GatewaySettings(Settings):
    """All that the gateway reads."""

    service: ClassVar[str | None] = "gateway"

    gateway: GatewaySection = GatewaySection()
    sources: SourcesSection = SourcesSection()

    @property
    def key(self) -> bytes:
        """The secret key."""
        return self.gateway.secret_key.get_secret_value().encode()

    @property
    def dialects(self) -> dict[str, Dialect]:
        """The platforms that are known, asked or not, by what of auto-api's contract is their own."""
        return {
            name: Dialect(
                ZoneInfo(platform.day_zone),
                platform.changed_fields,
                None if self.gateway.autoapi_contacts else platform.extras_field,
            )
            for name, platform in self.platforms.items()
        }

    @property
    def replica(self) -> DatabaseSettings | None:
        """Where the replica is: roles, passwords and bounds are the database's."""
        if not self.gateway.read_host:
            return None
        port = self.gateway.read_port or self.database.port
        return self.database.model_copy(update={"host": self.gateway.read_host, "port": port})

    @property
    def followed(self) -> frozenset[str]:
        """The platforms and shops that are enabled. Where they are is for the fetcher alone to know."""
        return self.followed_platforms | self.followed_shops

    @property
    def followed_platforms(self) -> frozenset[str]:
        """The platforms that are enabled."""
        return frozenset(name for name, platform in self.platforms.items() if platform.enabled)

    @property
    def followed_shops(self) -> frozenset[str]:
        """The shops that are enabled."""
        return frozenset(name for name, shop in self.shops.items() if shop.enabled)


class _OperatorSettings(GatewaySettings):
    """The same, working as the owner: nobody who only serves makes or revokes tokens."""

    service: ClassVar[str | None] = None


def load_settings(*, administers: bool = False) -> GatewaySettings:
    """Read the settings; who administers works as `DB_USER`, not as the gateway's own role.

    Raises:
        ConfigurationError: A key is unknown or its value is wrong, or SECRET_KEY is missing or short.
    """
    settings = load(_OperatorSettings if administers else GatewaySettings)
    if len(settings.gateway.secret_key.get_secret_value()) < MIN_SECRET_CHARACTERS:
        raise ConfigurationError(f"SECRET_KEY is missing or shorter than {MIN_SECRET_CHARACTERS} characters")
    return settings
