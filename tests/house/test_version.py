"""There is one version, and whoever is asked says it."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from tests.house.programs import shown
from tests.house.tree import text
from tests.house.version import IMAGE, LABEL, PROJECT, SOURCE, TAG, source, stated

from common.metrics import new_registry

PROGRAMS = {
    "fetcher": "fetcher",
    "normalizer": "normalizer",
    "gateway": "gateway",
    "feedmill": "common",
    "sandbox": "sandbox",
}
"""Command → the end of its distribution's name."""


def test_versions_are_found_where_they_can_stand() -> None:
    for pattern, line in (
        (PROJECT, 'name = "x"\nversion = "0.9.1"\n'),
        (LABEL, 'LABEL a="b" org.opencontainers.image.version="0.9.1"'),
        (IMAGE, "    image: feedmill-gateway:0.9.1\n"),
        (TAG, "  - {name: feedmill-fetcher, newName: x/y, newTag: 0.9.1}"),
    ):
        found = pattern.search(line)
        assert found, line
        assert found[2] == "0.9.1"


def test_every_place_says_the_version() -> None:
    said = list(stated())
    assert {(str(path), found) for path, found in said if found != source()} == set()
    assert {path.parts[0] for path, _ in said} >= {"deploy", "docker-compose.yml", "libs", "services"}
    assert sum(path.name == SOURCE.name for path, _ in said) == len(PROGRAMS)


def test_the_changelog_begins_with_it() -> None:
    heading = re.search(r"^## (\S+)", text(Path("CHANGELOG.md")), re.MULTILINE)
    assert heading
    assert heading[1] == source()


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_says_it(program: str) -> None:
    assert shown(program, "--version") == f"{program} {source()}\n"
    assert version(f"feedmill-{PROGRAMS[program]}") == source()


@pytest.mark.parametrize("service", ["fetcher", "normalizer", "gateway"])
def test_every_service_tells_prometheus(service: str) -> None:
    samples = generate_latest(new_registry(service)).decode()
    assert f'feedmill_build_info{{version="{source()}"}} 1.0' in samples
