"""Settings of the fetcher: the section `fetcher` of `config.yaml`, beside those that all services share."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from pydantic import BeforeValidator, Field, model_validator

from common.errors import ConfigurationError
from common.settings import PlatformSettings, Port, Section, Settings, ShopSettings

SLOT_TOLERANCE_S = 1.0
ASKED_OF_A_SHOP: Final = frozenset({"on_main", "page"})
"""Parameters of a shop's lists that are not for its address to say."""


def _as_written(value: object) -> object:
    # YAML 1.1 reads 12:30 without quotes as the number 750.
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value // 60:02}:{value % 60:02}"
    return value


KeepDays = Annotated[int, Field(ge=7, le=36_500)] | None
TimeOfDay = Annotated[str, BeforeValidator(_as_written), Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""`HH:MM`."""


class FetcherSettings(Section):
    """How patient, how careful and how talkative the fetcher is."""

    daily_at: TimeOfDay = "02:00"
    """Time of day, in a platform's `day_zone`, at which `fetcher run` begins its daily update."""
    request_timeout_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    """Seconds for a whole request, from connecting to the last byte."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 8 * 1024 * 1024
    """Bound on an answer, decompressed."""
    quick_retries: Annotated[int, Field(ge=0, le=10)] = 3
    """Tries right after a hiccup (reset, 502, bad JSON), before the long waits."""
    quick_delay_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """Wait before the first of them; doubles with each."""
    retry_interval_s: Annotated[float, Field(gt=0, le=86_400)] = 720.0
    """Seconds between the tries of an unavailable page."""
    max_retries: Annotated[int, Field(ge=0, le=1000)] = 20
    """Such tries after the first."""
    retry_window_s: Annotated[float, Field(ge=0, le=604_800)] = 14_400.0
    """Seconds after a page's first try in which all others lie."""
    gap_retries: Annotated[int, Field(ge=0, le=1000)] = 0
    """Such tries after the first for a page that `retry-gaps` asks for."""
    lost_after_s: Annotated[float, Field(gt=0, le=31_536_000)] = 86_400.0
    """A page that the broker took so long ago and that has not landed counts as lost; `retry-gaps` asks for it."""
    reconcile_sweeps: Annotated[int, Field(ge=0, le=20)] = 3
    """Sweeps of one reconciliation, at most; 0: a first load is not followed by one."""
    reconcile_lookups: Annotated[int, Field(ge=0, le=100_000)] = 2_500
    """Offers that no sweep has shown and that one reconciliation asks about, at most."""
    landing_wait_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """Seconds without any landing after which a reconciliation goes on without what is still on its way."""
    dead_pages_to_stop: Annotated[int, Field(ge=1, le=100)] = 3
    """So many dead pages in a row stop a load, and so many that are empty, or the same again, and name a next one."""
    lookup_budget: Annotated[int, Field(ge=0, le=100_000)] = 500
    """Offers known only in part that one daily update asks about, at most."""
    lookup_interval_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """Least seconds between the starts of two requests about single offers."""
    lookup_again_s: Annotated[float, Field(ge=60, le=604_800)] = 72_000.0
    """Seconds until an offer is asked about again; less than a day, so that tomorrow's update finds it due."""
    expected_records: Annotated[int, Field(ge=1)] | None = None
    """Estimate of a whole load, for the percentage; none: what the last load brought."""
    progress_interval_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds between two progress lines."""
    server_retry_interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Seconds between two calls of a broker or database that is away."""
    stop_grace_s: Annotated[float, Field(gt=0, le=600)] = 6.0
    """Seconds to finish the page in hand after SIGTERM."""
    keep_changes_days: KeepDays = 90
    """Days for which changes of the catalogue can be read; None, of each of these: for ever."""
    keep_pages_days: KeepDays = 90
    """Days for which the ledger keeps pages that have landed."""
    keep_operations_days: KeepDays = 365
    """Days of operations_log."""
    keep_quarantine_days: KeepDays = 180
    """Days for which refused and repaired records are kept as they came."""
    metrics_host: str = "127.0.0.1"
    """Address on which `fetcher run` serves `/metrics`."""
    metrics_port: Port | None = None
    """Its port; None: it is not served."""

    @property
    def keep_days(self) -> dict[str, int | None]:
        """Table → days for which its rows are kept."""
        return {
            "catalog_changes": self.keep_changes_days,
            "feed_pages": self.keep_pages_days,
            "operations_log": self.keep_operations_days,
            "quarantine": self.keep_quarantine_days,
        }

    @model_validator(mode="after")
    def _window_holds_the_retries(self) -> Self:
        if self.max_retries * self.retry_interval_s > self.retry_window_s + SLOT_TOLERANCE_S:
            raise ValueError("retry_window_s is shorter than max_retries × retry_interval_s")
        return self


class FetcherServiceSettings(Settings):
    """Everything that the fetcher reads from its environment."""

    service: ClassVar[str | None] = "fetcher"

    fetcher: FetcherSettings = FetcherSettings()

    @model_validator(mode="after")
    def _addresses_are_some(self) -> Self:
        """Refuse at the start, and before the doctor, what could not be asked.

        Raises:
            ConfigurationError: What is to be asked has an address that is none.
        """
        for name, platform in self.platforms.items():
            if platform.enabled and platform.base_url:
                base_url_of(name, platform)
        for name, shop in self.shops.items():
            if shop.enabled and shop.url.get_secret_value():
                shop_address_of(name, shop)
        return self


def base_url_of(name: str, platform: PlatformSettings) -> str:
    """Return the whole base up to `/api/v2/{platform}`.

    Raises:
        ConfigurationError: Nothing says where the platform is, its base is no address, or its key is missing.
    """
    if platform.base_url:
        if not _is_address(platform.base_url):
            short = " (CHE168_BASE_URL)" if name == "che168" else ""
            example = f"https://acme.auto-api.com/api/v2/{name}"
            raise ConfigurationError(f"platforms.{name}.base_url{short}: an address such as {example} is expected")
        return platform.base_url
    hints = {
        "access_name": "CHE168_ACCESS_NAME" if name == "che168" else None,
        "api_key": "CHE168_API_KEY" if name == "che168" else None,
    }
    for key, value in (("access_name", platform.access_name), ("api_key", platform.api_key.get_secret_value())):
        if not value:
            short = f" ({hints[key]})" if hints[key] else ""
            raise ConfigurationError(f"platforms.{name}.{key}{short}: not set, and no base_url is given")
    return f"https://{platform.access_name}.auto-api.com/api/v2/{name}"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class ShopAddress:
    """Where a shop's lists are.

    Attributes:
        base_url: Without credentials and query.
        parameters: What its query holds besides what the fetcher asks for itself; may be a key.
        authorization: Header made of the user and password that it names; None: it names none.
        secrets: Every part that nobody should read.
    """

    base_url: str
    parameters: Mapping[str, str] = field(repr=False)
    authorization: str | None = field(repr=False)
    secrets: Sequence[str] = field(repr=False)


def shop_address_of(name: str, shop: ShopSettings) -> ShopAddress:
    """Return where a shop's lists are.

    Raises:
        ConfigurationError: It has no address, or one that is none; the text does not quote it.
    """
    key = f"shops.{name}.url" + (" (SHOP_API_URL)" if name == "bot_igor" else "")
    url = shop.url.get_secret_value()
    if not url:
        raise ConfigurationError(f"{key}: not set")
    if not _is_address(url):
        raise ConfigurationError(f"{key}: an address such as https://bot-igor.ru/api/products is expected")
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    given = {key: value for key, value in parameters.items() if key not in ASKED_OF_A_SHOP}
    words = [unquote(word) for word in (parts.username or "", parts.password or "")]
    basic = b64encode(":".join(words).encode()).decode() if any(words) else ""
    return ShopAddress(
        base_url=urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")),
        parameters=given,
        authorization=f"Basic {basic}" if basic else None,
        secrets=[word for word in (*words, basic, *given.values()) if word],
    )
