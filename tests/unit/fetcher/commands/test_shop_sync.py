"""Which shops are asked, how patiently, and where."""

import argparse
from pathlib import Path

import pytest
from pydantic import SecretStr

from common.errors import ConfigurationError
from common.settings import ShopSettings
from fetcher.commands.shop_sync import chosen_shops, patience_with
from fetcher.settings import FetcherServiceSettings, FetcherSettings

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def a_shop(url: str = "https://shop.example/api/products", **changes: object) -> ShopSettings:
    """Return a shop with an address."""
    return ShopSettings.model_validate({"url": SecretStr(url), **changes})


def settings_of(**shops: ShopSettings) -> FetcherServiceSettings:
    """Return settings with these shops."""
    return FetcherServiceSettings(shops=shops, fetcher=FetcherSettings())


def options(shop: str | None = None) -> argparse.Namespace:
    """Return what `--shop` gives."""
    return argparse.Namespace(shop=shop)


def test_all_that_are_enabled_and_have_an_address_are_asked() -> None:
    settings = settings_of(b=a_shop(), a=a_shop(), off=a_shop(enabled=False), nowhere=a_shop(""))
    assert chosen_shops(settings, options()) == ["a", "b"]


def test_one_that_is_named_is_asked_even_if_it_is_not_enabled() -> None:
    assert chosen_shops(settings_of(a=a_shop(), off=a_shop(enabled=False)), options("off")) == ["off"]


def test_nothing_to_do_is_no_error_where_every_shop_is_off() -> None:
    assert chosen_shops(settings_of(off=a_shop(enabled=False)), options()) == []


def test_an_unknown_shop_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match=r"--shop c: not configured; known: a, b"):
        chosen_shops(settings_of(b=a_shop(), a=a_shop()), options("c"))


def test_a_shop_without_an_address_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"shops.bot_igor.url \(SHOP_API_URL\): not set"):
        chosen_shops(settings_of(bot_igor=a_shop("")), options())


@pytest.mark.parametrize(("interval_s", "window_s"), [(3600, 3600), (86_400, 14_400), (60, 60)])
def test_a_list_is_tried_again_until_the_next_snapshot_is_due(interval_s: int, window_s: float) -> None:
    assert patience_with(settings_of(a=a_shop(interval_s=interval_s)), "a").window_s == window_s
