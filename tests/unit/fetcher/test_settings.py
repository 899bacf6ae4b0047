"""The fetcher's settings."""

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from common.errors import ConfigurationError
from common.settings import PlatformSettings
from fetcher.settings import FetcherSettings, base_url_of

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
