"""The documentation names what exists."""

import re
from pathlib import Path

import pytest
from tests.house.compose import OURS, services
from tests.house.programs import RefusedError, shown
from tests.house.test_names import targets
from tests.house.tree import ROOT, text, tracked

PAGES = [path for path in tracked() if path.suffix == ".md"]
SCREENS = 2
LINES_OF_A_SCREEN = 50
GROUPS = {"gateway tokens", "sandbox stack", "sandbox local"}
IN_COMPOSE = re.compile(r"docker compose run --rm(?: --\S+ (?:\"[^\"]*\"|\S+))* (\w+) ?")
"""How a command is run in a container; the group is its service."""
COMMAND = re.compile(rf"(?:^ *|bin/|run |-[->] )({'|'.join(OURS)})((?: [a-z][a-z-]+){{1,2}})((?: +\[?--?[^\n#|]*)?)")


def dead_links(page: str, folder: Path) -> list[str]:
    """Name the relative links of a page that lead nowhere."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page)
    return [link for link in links if not (folder / link).exists()]


def unknown_targets(page: str, known: set[str]) -> set[str]:
    """Name the make targets that a page tells people to use and that do not exist."""
    return set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page, flags=re.MULTILINE)) - known


def headings(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def dead_anchors(page: str, folder: Path) -> list[str]:
    """Name the links of a page into a page of ours, itself included, that hit no heading."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page)
    pages = {file: (folder / file).read_text(encoding="utf-8") if file else page for file, _ in links}
    return [f"{file}#{anchor}" for file, anchor in links if anchor not in headings(pages[file])]


def told_commands(page: str) -> set[tuple[str, tuple[str, ...]]]:
    """Return the commands of ours in the code of a page: their words, and the options behind them."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", page, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", page, flags=re.MULTILINE | re.DOTALL))
    found = set()
    for line in [line for block in blocks for line in block.splitlines()] + inline:
        for program, words, options in COMMAND.findall(IN_COMPOSE.sub("", line)):
            told = " ".join([program, *words.split()[: 2 if f"{program} {words.split()[0]}" in GROUPS else 1]])
            found.add((told, tuple(re.findall(r"--[a-z-]+", options))))
    return found


def refused(told: set[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Name the commands that no program of ours understands, and options that it does not know."""
    wrong = []
    for command, options in sorted(told):
        program, *words = command.split()
        try:
            said = shown(program, *words, "--help")
        except RefusedError:
            wrong.append(command)
            continue
        wrong += [f"{command} {option}" for option in options if option not in said]
    return wrong


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


def test_wrong_anchors_and_commands_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A part: of it\n")
    page = "## Here\n[a](there.md#a-part-of-it) [b](there.md#b) [c](#here) [d](#there)"
    assert dead_anchors(page, tmp_path) == ["there.md#b", "#there"]
    page = "`gateway tokens lst` `fetcher run`\n```\nbin/fetcher daily-update --sinze=1 # --no\n```\nfetcher in text"
    assert refused(told_commands(page)) == ["fetcher daily-update --sinze", "gateway tokens lst"]


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_anchors_hit_a_heading(path: Path) -> None:
    assert dead_anchors(text(path), (ROOT / path).parent) == []


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "CHANGELOG.md"], ids=str)
def test_commands_of_ours_are_understood(path: Path) -> None:
    assert refused(told_commands(text(path))) == []


def test_commands_with_compose_run_in_a_container_that_may() -> None:
    page = text(Path("docs/deployment.md"))
    told = [(found[1], page[found.end() :].split("`")[0].split()[:2]) for found in IN_COMPOSE.finditer(page)]
    owners = {"tokens", "migrate", "transfer"}
    known = services(text(Path("docker-compose.yml")))
    assert {service for service, *_ in told} >= {"fetcher", "normalizer", "doctor", *owners}
    assert [service for service, *_ in told if service not in known] == []
    administers = {service for service, words in told if "feedmill" in words[:1] or "tokens" in words[1:]}
    assert administers == owners - {"migrate"}


def test_the_readme_fits_two_screens() -> None:
    assert len(text(Path("README.md")).splitlines()) <= SCREENS * LINES_OF_A_SCREEN


def test_adrs_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in PAGES if path.parent == Path("docs/adr"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_glossary_stands_in_contributing() -> None:
    assert "## Glossary" in text(Path("CONTRIBUTING.md"))
