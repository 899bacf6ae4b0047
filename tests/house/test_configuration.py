"""config.yaml and .env.example show everything that can be set, with the defaults that the code has."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from tests.house.tree import text

from common import settings
from common.settings import Settings
from fetcher.settings import FetcherServiceSettings
from gateway.settings import GatewaySettings
from normalizer.settings import NormalizerSettings

MODELS: tuple[type[Settings], ...] = (FetcherServiceSettings, NormalizerSettings, GatewaySettings)


def defaults() -> dict[str, Any]:
    """Return every key of every service with its default, as JSON types; secrets are empty text."""
    found: dict[str, Any] = {}
    for model in MODELS:
        for name, field in model.model_fields.items():
            value = field.get_default(call_default_factory=True)
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def differences(shown: Any, real: Any, path: str = "") -> list[str]:
    """Name each key that only one side has or that differs."""
    if not (isinstance(shown, dict) and isinstance(real, dict)):
        return [] if shown == real else [f"{path}: {shown!r}, default {real!r}"]
    inner = [differences(shown.get(key, ...), real.get(key, ...), f"{path}.{key}") for key in {**shown, **real}]
    return [difference for found in inner for difference in found]


def test_differences_are_found() -> None:
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "d": 3}}) == [
        ".a.b: 1, default 2",
        ".a.c: 2, default Ellipsis",
        ".a.d: Ellipsis, default 3",
    ]


def test_the_file_shows_every_key_with_its_default() -> None:
    shown, real = yaml.safe_load(text(Path("config.yaml"))), defaults()
    shown["platforms"] = {name: shown["platforms"].get(name, ...) for name in real["platforms"]}
    assert differences(shown, real) == []


def test_further_platforms_of_the_file_are_valid_and_not_asked_until_somebody_enables_them() -> None:
    further = yaml.safe_load(text(Path("config.yaml")))["platforms"].keys() - defaults()["platforms"].keys()
    blocks = {name: yaml.safe_load(text(Path("config.yaml")))["platforms"][name] for name in further}
    assert {name: settings.PlatformSettings(**block).enabled for name, block in blocks.items()} == {
        "dongchedi": False,
        "encar": False,
    }


def test_sections_are_those_that_the_settings_know() -> None:
    assert set(defaults()) == settings.SECTIONS


def test_the_example_names_everything_that_may_stand_in_dot_env_and_holds_no_secret() -> None:
    lines = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text(Path(".env.example")), flags=re.MULTILINE)
    assert {name for name, _ in lines} == set(settings.FLAT_NAMES) | settings.OTHER_NAMES | settings.COMPOSE_NAMES
    assert [name for name, value in lines if value and re.search(r"PASSWORD|SECRET|API_KEY", name)] == []
