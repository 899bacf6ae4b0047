"""The fetcher's settings."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from common.errors import ConfigurationError
from common.settings import PlatformSettings, ShopSettings, load
from fetcher.settings import FetcherServiceSettings, FetcherSettings, base_url_of, shop_address_of

pytestmark = pytest.mark.unit


def test_the_defaults_are_the_brief() -> None:
    settings = FetcherSettings()
    assert (settings.retry_interval_s, settings.max_retries, settings.retry_window_s) == (12 * 60, 20, 4 * 3600)


def test_a_window_that_cannot_hold_the_retries_is_refused() -> None:
    with pytest.raises(ValidationError, match="retry_window_s is shorter"):
        FetcherSettings(retry_window_s=3600)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="retry_intervall_s"):
        FetcherSettings.model_validate({"retry_intervall_s": 3})


@pytest.mark.parametrize(
    ("platform", "url"),
    [
        (PlatformSettings(base_url="http://127.0.0.1:1/api/v2/che168"), "http://127.0.0.1:1/api/v2/che168"),
        (
            PlatformSettings(access_name="acme", api_key=SecretStr("k")),
            "https://acme.auto-api.com/api/v2/che168",
        ),
    ],
    ids=["a whole base", "a name given by the vendor"],
)
def test_the_address_comes_from_the_settings(platform: PlatformSettings, url: str) -> None:
    assert base_url_of("che168", platform) == url


@pytest.mark.parametrize(
    ("platform", "missing"),
    [
        (PlatformSettings(), r"platforms.che168.access_name \(CHE168_ACCESS_NAME\)"),
        (PlatformSettings(access_name="acme"), r"platforms.che168.api_key \(CHE168_API_KEY\)"),
    ],
    ids=["no name", "no key"],
)
def test_what_is_missing_is_named(platform: PlatformSettings, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        base_url_of("che168", platform)


@pytest.mark.parametrize(
    ("written", "read"), [('"02:00"', "02:00"), ("02:00", "02:00"), ("12:30", "12:30"), ("1:05", "01:05")]
)
def test_a_time_of_day_is_read_with_and_without_quotes(written: str, read: str) -> None:
    assert FetcherSettings(daily_at=yaml.safe_load(written)).daily_at == read


@pytest.mark.parametrize("written", ["24:00", "2 am", "12:60", "-5", "1440", "true", "'12:30:15'", "noon"])
def test_what_is_no_time_of_day_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="daily_at"):
        FetcherSettings(daily_at=yaml.safe_load(written))


@pytest.mark.parametrize(
    ("url", "base_url", "parameters"),
    [
        ("https://bot-igor.ru/api/products", "https://bot-igor.ru/api/products", {}),
        (
            "http://127.0.0.1:8168/api/products?key=a%20b&x=",
            "http://127.0.0.1:8168/api/products",
            {"key": "a b", "x": ""},
        ),
        ("https://shop.example/list?on_main=true&page=3&token=t", "https://shop.example/list", {"token": "t"}),
        ("https://me:word@shop.example:81/list#top", "https://shop.example:81/list", {}),
    ],
    ids=["plain", "with a query", "with what the fetcher asks for itself", "with a password"],
)
def test_the_address_of_a_shop_is_taken_apart(url: str, base_url: str, parameters: dict[str, str]) -> None:
    address = shop_address_of("bot_igor", ShopSettings(url=SecretStr(url)))
    assert (address.base_url, address.parameters) == (base_url, parameters)
    assert address.authorization == ("Basic bWU6d29yZA==" if "@" in url else None)


def test_every_part_of_a_shops_address_that_may_be_a_secret_is_known_and_not_shown() -> None:
    address = shop_address_of("a", ShopSettings(url=SecretStr("https://user1:word2@shop.example/list?token=three3")))
    assert address.secrets == ["user1", "word2", "dXNlcjE6d29yZDI=", "three3"]
    assert not re.search("user1|word2|three3", repr(address))


@pytest.mark.parametrize(
    "url", ["shop.example/list", "ftp://shop.example/list", "https:///list", "https://s:0/", "http://[::1/"]
)
def test_an_address_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"shops.bot_igor.url \(SHOP_API_URL\): an address such as") as caught:
        shop_address_of("bot_igor", ShopSettings(url=SecretStr(url)))
    assert url not in str(caught.value)


@pytest.mark.parametrize("url", ["acme.auto-api.com/api/v2/che168", "ftp://x/api", "http://", "http://x:y/"])
def test_a_base_that_is_no_address_is_refused_with_its_name(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^platforms.che168.base_url \(CHE168_BASE_URL\): an address such as"):
        base_url_of("che168", PlatformSettings(base_url=url))


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("platforms: {{encar: {{base_url: encar.example, enabled: {}}}}}", "platforms.encar.base_url"),
        ("shops: {{bot_igor: {{url: shop.example, enabled: {}}}}}", "shops.bot_igor.url"),
    ],
)
def test_an_address_that_is_none_stops_the_start_where_it_is_asked(
    section: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(section.format("true"), encoding="ascii")
    with pytest.raises(ConfigurationError, match=f"^{key}.*: an address such as"):
        load(FetcherServiceSettings)
    Path("config.yaml").write_text(section.format("false"), encoding="ascii")
    load(FetcherServiceSettings)


def test_a_shop_without_an_address_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^shops.another.url: not set$"):
        shop_address_of("another", ShopSettings())
