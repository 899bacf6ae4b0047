"""What the normalizer knows of its platforms comes from the settings of both families."""

from pathlib import Path

import pytest

from common.settings import PlatformSettings, ShopSettings
from normalizer import core
from normalizer.app import mapping, profiles
from normalizer.core.offers.record import PlatformProfile
from normalizer.core.products.record import ShopProfile
from normalizer.core.profiles import Profiles
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


def test_the_digest_of_the_mapping_is_that_of_profiles_and_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: Profiles = {"encar": PlatformProfile(currency="KRW"), "flowers": ShopProfile(currency="KZT")}
    digest = mapping(known)
    assert mapping(dict(reversed(list(known.items())))) == digest
    assert mapping({**known, "encar": PlatformProfile(currency="USD")}) != digest
    (tmp_path / "vocabulary.py").write_text("COLORS = {'schwarz': 'black'}", encoding="utf-8")
    monkeypatch.setattr(core, "__path__", [str(tmp_path)])
    assert mapping(known) != digest
