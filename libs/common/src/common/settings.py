"""Settings, declared once with unit and bounds.

Order of precedence: environment, then `.env`, then `config.yaml`, then the defaults below. `FEEDMILL__SECTION__KEY`
overrides any key of `config.yaml`; the short names of `FLAT_NAMES` are the ones that people put in `.env`.
A name with an empty value counts as absent.
"""

import os
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from common.broker_nodes import node_urls
from common.env_file import values_of
from common.errors import ConfigurationError
from common.events import PLATFORM_PATTERN
from common.json_overrides import no_json
from common.log import hide
from common.secret_values import secrets_of
from common.strict_yaml import StrictLoader

FLAT_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "DB_HOST": ("database", "host"),
    "DB_PORT": ("database", "port"),
    "DB_USER": ("database", "user"),
    "DB_PASSWORD": ("database", "password"),
    "DB_NAME": ("database", "name"),
    "DB_READ_HOST": ("gateway", "read_host"),
    "DB_READ_PORT": ("gateway", "read_port"),
    "RABBITMQ_URL": ("rabbitmq", "url"),
    "CHE168_API_KEY": ("platforms", "che168", "api_key"),
    "CHE168_ACCESS_NAME": ("platforms", "che168", "access_name"),
    "CHE168_BASE_URL": ("platforms", "che168", "base_url"),
    "SHOP_API_URL": ("shops", "bot_igor", "url"),
    "SHOP_SYNC_INTERVAL_S": ("shops", "bot_igor", "interval_s"),
    "SECRET_KEY": ("gateway", "secret_key"),
    "API_HOST": ("gateway", "host"),
    "API_PORT": ("gateway", "port"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("tracing", "endpoint"),
    "OTEL_TRACES_SAMPLER_ARG": ("tracing", "ratio"),
}
SECTIONS: Final = frozenset(
    {"database", "rabbitmq", "log", "tracing", "platforms", "shops", "fetcher", "normalizer", "gateway", "sources"}
)
OVERRIDE_PREFIX: Final = "FEEDMILL__"
OPENTELEMETRY_PREFIX: Final = "OTEL_"
"""Of the names that OpenTelemetry reads itself, such as `OTEL_EXPORTER_OTLP_HEADERS`; any may stand in `.env`."""
SERVICE_PASSWORDS: Final = {
    "fetcher": "DB_FETCHER_PASSWORD",
    "normalizer": "DB_NORMALIZER_PASSWORD",
    "gateway": "DB_GATEWAY_PASSWORD",
}
"""Service → name of the password of its own role in the database; where it has none, it works as `DB_USER`."""
OTHER_NAMES: Final = frozenset(
    {"FEEDMILL_CONFIG", *SERVICE_PASSWORDS.values(), "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME"}
)
"""Names that may stand in `.env` besides `FLAT_NAMES` and overrides. Compose's own are in `COMPOSE_NAMES`."""
COMPOSE_NAMES: Final = frozenset(
    {
        "RABBITMQ_FETCHER_PASSWORD",
        "RABBITMQ_NORMALIZER_PASSWORD",
        "RABBITMQ_GATEWAY_PASSWORD",
        "RABBITMQ_OPERATOR_PASSWORD",
        "RABBITMQ_CONSOLE_PORT",
        "PROMETHEUS_PORT",
        "JAEGER_PORT",
        "GRAFANA_PORT",
        "GRAFANA_PASSWORD",
        "SANDBOX_OFFERS",
        "SANDBOX_SEED",
        "COMPOSE_PROJECT_NAME",
        "COMPOSE_PROFILES",
    }
)

Port = Annotated[int, Field(ge=1, le=65535)]
FieldName = Annotated[str, Field(min_length=1)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError("no time zone of this name is known here") from error
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]


class Section(BaseModel):
    """A block of `config.yaml`; an unknown key in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    """Where PostgreSQL is."""

    host: str = "127.0.0.1"
    port: Port = 5432
    user: str = "feedmill"
    password: SecretStr = SecretStr("")
    name: str = "feedmill"
    pool_size: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections a process keeps; the normalizer keeps one more than it has batches in flight, if that is more."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    statement_timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    lock_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0


def _leads_to_nodes(url: SecretStr) -> SecretStr:
    node_urls(url.get_secret_value())
    return url


class BrokerSettings(Section):
    """Where RabbitMQ is."""

    url: Annotated[SecretStr, AfterValidator(_leads_to_nodes)] = SecretStr("amqp://127.0.0.1:5672/feedmill")
    """AMQP URL with user, password and virtual host; each service has a user of its own. Nodes of a cluster stand in it
    separated by commas."""
    publish_timeout_s: Annotated[float, Field(gt=0, le=30)] = 30.0
    """A publish without a confirm in this time is 'unknown' and is sent again."""
    reconnect_interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0


class LogSettings(Section):
    """What is logged, and where."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    directory: Path | None = None
    """Files `<service>.log`, rotated daily and kept 7 days; none: console only."""


class TracingSettings(Section):
    """Where traces are sent."""

    endpoint: Annotated[str, Field(pattern=r"^(https?://[^/\s@]+[^\s@]*)?$")] = ""
    """Base address of a collector of OTLP over HTTP, such as `http://127.0.0.1:4318`; without one there are none."""
    ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of pages, and of requests that bring no `traceparent`, that are traced."""


class PlatformSettings(Section):
    """One marketplace of the auto-api family: how to ask it, and what its fields mean (UPSTREAMS §1.10)."""

    enabled: bool = True
    """Whether the fetcher asks it; what it has brought stays in the catalogue."""
    api_key: SecretStr = SecretStr("")
    access_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""
    """Host part given by the vendor: `https://{access_name}.auto-api.com/api/v2/{platform}`."""
    base_url: str = ""
    """Whole base up to `/api/v2/{platform}`; wins over `access_name`."""
    min_interval_s: Annotated[float, Field(ge=0, le=60)] = 0.2
    """Least time between the starts of two requests; 0 asks as fast as the upstream answers."""
    pages_in_flight: Annotated[int, Field(ge=1, le=16)] = 1
    """Pages of the list asked for at once in a first load or a sweep; everything else is asked one by one."""
    day_zone: ZoneName = "Europe/Moscow"
    """Where the upstream's days begin, for `/change_id?date=`."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    price_field: FieldName = "price"
    price_multiplier: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """`price_field` × this = units of `currency`."""
    full_price_field: str = ""
    """The same price in units of `currency`, where a platform has both."""
    changed_fields: dict[str, str] = {"new_price": "price"}
    """Names in a `changed` event → names in the full record."""
    power_field: FieldName = "power"
    displacement_unit: Literal["l", "cc"] = "l"
    registration_field: FieldName = "first_registration"
    extras_field: FieldName = "extra"
    """What else the platform knows of the car: an object, or a JSON string with one."""


class ShopSettings(Section):
    """One shop: both of its lists are joined into a snapshot (UPSTREAMS §3)."""

    enabled: bool = True
    """Whether the fetcher asks it."""
    url: SecretStr = SecretStr("")
    """Address of the list, such as `https://bot-igor.ru/api/products`; a shop without one is not asked."""
    interval_s: Annotated[int, Field(ge=1, le=604_800)] = 3600
    """Seconds between the starts of two snapshots of `fetcher run`."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "RUB"
    most_gone: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of a list's products that may vanish at once; more is refused without `--force`."""


PlatformName = Annotated[str, Field(pattern=f"^{PLATFORM_PATTERN}$")]
Platforms = dict[PlatformName, PlatformSettings]
Shops = dict[PlatformName, ShopSettings]


def default_platforms() -> Platforms:
    """Return what is configured when `config.yaml` says nothing: che168."""
    return {"che168": PlatformSettings()}


def default_shops() -> Shops:
    """Return what is configured when `config.yaml` says nothing: bot_igor, without an address."""
    return {"bot_igor": ShopSettings()}


def role_of(service: str) -> str:
    """Return the name of a service's own role in the database."""
    return f"feedmill_{service}"


class Settings(BaseSettings):
    """The sections that every service has; a service's own settings add its section."""

    service: ClassVar[str | None] = None
    """Whose they are; None: the operator's, who works as the owner of the database."""

    model_config = SettingsConfigDict(
        env_prefix=OVERRIDE_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    database: DatabaseSettings = DatabaseSettings()
    rabbitmq: BrokerSettings = BrokerSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    platforms: Platforms = Field(default_factory=default_platforms)
    shops: Shops = Field(default_factory=default_shops)

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        both = sorted(self.platforms.keys() & self.shops.keys())
        if both:
            raise ValueError(f"shops.{both[0]}: a platform has this name; each of the two needs one of its own")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment over its short names over `config.yaml`."""
        del dotenv_settings, file_secret_settings
        short_names = InitSettingsSource(settings_cls, _short_names(settings_cls))
        return init_settings, env_settings, short_names, InitSettingsSource(settings_cls, _config_file(settings_cls))


def _shared_settings_of(service: str) -> type[Settings]:
    class SharedSettings(Settings):
        pass

    SharedSettings.service = service
    return SharedSettings


SERVICE_SETTINGS: Final = {service: _shared_settings_of(service) for service in SERVICE_PASSWORDS}
"""Service → the shared sections as that service reads them, with its own role in the database."""

SettingsT = TypeVar("SettingsT", bound=Settings)


def load(model: type[SettingsT], *, env_file: Path = Path(".env")) -> SettingsT:
    """Read the settings of one service; log lines never show the secrets among them from then on.

    Args:
        model: The service's settings.
        env_file: Values for names that the environment does not have; absent is fine.

    Raises:
        ConfigurationError: A key is unknown or its value is wrong; the text names the key and never its value.
    """
    _read_env_file(env_file)
    _check_override_names()
    try:
        settings = model()
    except ValidationError as error:
        raise ConfigurationError("; ".join(_said_plainly(error))) from None
    except SettingsError as error:
        raise ConfigurationError(no_json(str(error), OVERRIDE_PREFIX)) from None
    hide(secrets_of(settings))
    return settings


def _said_plainly(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        path = tuple(str(part) for part in item["loc"])
        short = next((name for name, target in FLAT_NAMES.items() if target == path), None)
        where = ".".join(path) + (f" ({short})" if short else "")
        reason = "unknown key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {reason}" if where else reason)
    return lines


def _read_env_file(path: Path) -> None:
    try:
        content = values_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not readable: {_without_content(error)}") from None
    for name, value in content.items():
        if not _is_known(name):
            raise ConfigurationError(f"{path}: unknown key {name}")
        if "\0" in (value or ""):
            raise ConfigurationError(f"{path}: {name}: no environment can hold a NUL")
        if value and not os.environ.get(name):
            os.environ[name] = value


def _is_known(name: str) -> bool:
    names = name in FLAT_NAMES or name in OTHER_NAMES or name in COMPOSE_NAMES
    return names or name.startswith((OVERRIDE_PREFIX, OPENTELEMETRY_PREFIX))


def _without_content(error: Exception) -> str:
    """Say what is wrong with a file without quoting it: the line may hold a password."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else type(error).__name__


def _check_override_names() -> None:
    for name in os.environ:
        section = name.removeprefix(OVERRIDE_PREFIX).split("__")[0].lower()
        if name.startswith(OVERRIDE_PREFIX) and section not in SECTIONS:
            raise ConfigurationError(f"{name}: unknown section {section!r}")


def service_passwords() -> dict[str, str]:
    """Return the passwords that are given to the roles of services, by service; log lines never show them."""
    given = {service: os.environ.get(name, "") for service, name in SERVICE_PASSWORDS.items()}
    hide(password for password in given.values() if password)
    return {service: password for service, password in given.items() if password}


def _short_names(model: type[BaseSettings]) -> dict[str, object]:
    nested: dict[str, object] = {}
    for name, path in FLAT_NAMES.items():
        value = os.environ.get(name)
        if not value or path[0] not in model.model_fields:
            continue
        level = nested
        for part in path[:-1]:
            inner = level.setdefault(part, {})
            assert isinstance(inner, dict)  # noqa: S101 - FLAT_NAMES never puts a value where another has a block
            level = inner
        level[path[-1]] = value
    service = getattr(model, "service", None)
    if service and (password := os.environ.get(SERVICE_PASSWORDS[service])):
        nested["database"] = {**_block(nested, "database"), "user": role_of(service), "password": password}
    return nested


def _block(nested: dict[str, object], name: str) -> dict[str, object]:
    block = nested.get(name, {})
    assert isinstance(block, dict)  # noqa: S101 - as above
    return block


def _config_file(model: type[BaseSettings]) -> dict[str, object]:
    named = os.environ.get("FEEDMILL_CONFIG")
    path = Path(named or "config.yaml")
    if not path.is_file():
        if named:
            raise ConfigurationError(f"FEEDMILL_CONFIG: no file {path}")
        return {}
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), StrictLoader) or {}  # noqa: S506 - a SafeLoader
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not readable as YAML: {_without_content(error)}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: sections are expected, such as 'database:'")
    unknown = sorted(str(key) for key in content if key not in SECTIONS)
    if unknown:
        raise ConfigurationError(f"{path}: unknown key {', '.join(unknown)}")
    return {key: value for key, value in content.items() if key in model.model_fields and value is not None}
