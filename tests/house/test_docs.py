"""The documentation names what exists."""

import re
from pathlib import Path

import pytest
from tests.house.test_names import targets
from tests.house.tree import ROOT, text, tracked

PAGES = [path for path in tracked() if path.suffix == ".md"]
SCREENS = 2
LINES_OF_A_SCREEN = 50


def dead_links(page: str, folder: Path) -> list[str]:
    """Name the relative links of a page that lead nowhere."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page)
    return [link for link in links if not (folder / link).exists()]


def unknown_targets(page: str, known: set[str]) -> set[str]:
    """Name the make targets that a page tells people to use and that do not exist."""
    return set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page, flags=re.MULTILINE)) - known


def test_missing_things_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").touch()
    page = "[a](there.md) [b](gone.md#x) [c](https://example.com) `make up` and\nmake fly\nthey make do"
    assert dead_links(page, tmp_path) == ["gone.md"]
    assert unknown_targets(page, {"up"}) == {"fly"}


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    assert dead_links(text(path), (ROOT / path).parent) == []


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_make_targets_exist(path: Path) -> None:
    assert unknown_targets(text(path), targets(text(Path("Makefile")))) == set()


def test_the_readme_fits_two_screens() -> None:
    assert len(text(Path("README.md")).splitlines()) <= SCREENS * LINES_OF_A_SCREEN


def test_adrs_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in PAGES if path.parent == Path("docs/adr"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_glossary_stands_in_contributing() -> None:
    assert "## Glossary" in text(Path("CONTRIBUTING.md"))
