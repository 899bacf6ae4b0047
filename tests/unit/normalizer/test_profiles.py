"""What the normalizer knows of its platforms comes from the settings of both families."""

from pathlib import Path

import pytest

from common.settings import PlatformSettings, ShopSettings
from normalizer.app import profiles
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.products.record import ShopProfile
from normalizer.settings import NormalizerSettings


def test_offers_and_shops_have_their_own_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from config.yaml
    settings = NormalizerSettings(
        platforms={"encar": PlatformSettings(currency="KRW")}, shops={"flowers": ShopSettings(currency="KZT")}
    )
    found = profiles(settings)
    assert found.keys() == {"encar", "flowers"}
    assert isinstance(found["encar"], PlatformProfile)
    assert found["encar"].currency == "KRW"
    assert found["flowers"] == ShopProfile(currency="KZT")
