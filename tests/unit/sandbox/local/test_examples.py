"""The two files that people copy and edit are explained, and a copy of them alone changes nothing."""

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from common.settings import Settings, load
from fetcher.settings import FetcherServiceSettings
from gateway.settings import GatewaySettings
from normalizer.settings import NormalizerSettings
from sandbox.local.surroundings import look_around

ROOT = Path(__file__).resolve().parents[4]
MODELS = (FetcherServiceSettings, NormalizerSettings, GatewaySettings)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give `.env.example` and `config.yaml` as they are."""
    for name, value in dotenv_values(ROOT / ".env.example").items():
        monkeypatch.setenv(name, value or "")
    Path("config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())


def test_every_key_of_config_yaml_is_explained_where_it_stands_first() -> None:
    explained = {"new_price", "new_price_won"}  # names of the upstream
    for line in (ROOT / "config.yaml").read_text().splitlines():
        found = re.match(r"\s+(\w+): \S", line)
        if found and "#" in line:
            explained.add(found[1])
        elif found:
            assert found[1] in explained, line


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_copy_leaves_every_default(model: type[Settings], request: pytest.FixtureRequest) -> None:
    before = load(model)
    request.getfixturevalue("copied")
    copy = load(model)
    asked = {name: platform for name, platform in copy.platforms.items() if platform.enabled}
    assert copy.model_copy(update={"platforms": asked}) == before


@pytest.mark.usefixtures("copied")
def test_a_copy_brings_nothing_so_everything_is_started() -> None:
    around = look_around()
    assert not any([around.brings_database, around.brings_broker, around.brings_upstream, around.brings_shop])
    assert not around.half_a_credential
