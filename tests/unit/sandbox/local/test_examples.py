"""The two files that people copy and edit say exactly what the services understand."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from pydantic import SecretStr

from common import settings
from common.settings import Settings, load
from fetcher.settings import FetcherServiceSettings
from gateway.settings import GatewaySettings
from normalizer.settings import NormalizerSettings

ROOT = Path(__file__).resolve().parents[4]
MODELS = (FetcherServiceSettings, NormalizerSettings, GatewaySettings)
SECRETS = re.compile(r"PASSWORD|KEY|URL")


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def test_config_yaml_holds_every_key_with_its_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    defaults: dict[str, Any] = {}
    for model in MODELS:
        defaults |= plain(model().model_dump())
    assert yaml.safe_load((ROOT / "config.yaml").read_text()) == defaults


def test_every_key_of_config_yaml_is_explained_on_its_line() -> None:
    lines = (ROOT / "config.yaml").read_text().splitlines()
    assert [line.strip() for line in lines if re.match(r"\s+\w+: \S", line) and "#" not in line] == ["new_price: price"]


def test_env_example_names_exactly_what_may_stand_in_env() -> None:
    known = settings.FLAT_NAMES.keys() | settings.COMPOSE_NAMES | settings.OTHER_NAMES
    assert dotenv_values(ROOT / ".env.example").keys() == known


def test_env_example_holds_no_secret_and_no_address_of_a_server() -> None:
    filled = {name for name, value in dotenv_values(ROOT / ".env.example").items() if value}
    assert [name for name in filled if SECRETS.search(name)] == []
    assert "DB_HOST" not in filled


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_copy_of_env_example_changes_nothing(
    model: type[Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    before = load(model)
    with monkeypatch.context() as patch:
        for name, value in dotenv_values(ROOT / ".env.example").items():
            patch.setenv(name, value or "")
        assert load(model) == before
