"""The tracked files keep the house rules."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from tests.house import rules
from tests.house.tree import PACKAGES, ROOT, python_files, source_files, text, tracked

from common.db import migrate

MIGRATIONS = Path(migrate.__file__).parent / "migrations"
Rule = Callable[[str], list[str]]


def broken(rule: Rule, paths: list[Path]) -> list[str]:
    """Return `file: violation` for each violation in `paths`."""
    return [f"{path}: {violation}" for path in paths for violation in rule(text(path))]


@pytest.mark.parametrize("rule", rules.PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_python_files_keep(rule: Rule) -> None:
    assert broken(rule, python_files()) == []


@pytest.mark.parametrize("rule", rules.SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_source_files_keep(rule: Rule) -> None:
    assert broken(rule, source_files()) == []


@pytest.mark.parametrize("rule", rules.TEXT_RULES, ids=lambda rule: rule.__name__)
def test_all_tracked_files_keep(rule: Rule) -> None:
    own_samples = {Path("tests/house/rules.py"), Path("tests/house/test_rules.py")}
    assert broken(rule, [path for path in tracked() if path not in own_samples]) == []


def test_half_of_the_functions_have_ten_lines_at_most_and_half_of_the_files_a_hundred() -> None:
    sources = [text(path) for path in source_files()]
    assert median(lines for source in sources for _, lines in rules.functions(source)) <= 10
    assert median(len(source.splitlines()) for source in sources) <= 100


def test_no_file_is_named_after_nothing() -> None:
    assert [str(path) for path in python_files() if rules.vague_name(path)] == []


def test_there_is_no_lock_file_with_addresses() -> None:
    assert [str(path) for path in tracked() if path.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}] == []


def test_no_secret_or_data_file_is_tracked() -> None:
    assert [str(path) for path in tracked() if path.name == ".env" or path.suffix in {".log", ".pem", ".key"}] == []


def test_ignored_lint_rules_carry_their_reason() -> None:
    assert rules.unexplained_exceptions(text(Path("pyproject.toml"))) == []


def test_the_packages_have_one_version() -> None:
    found = [path for path in tracked() if path.name == "pyproject.toml" and len(path.parts) > 1]
    versions = {str(path): tomllib.loads(text(path))["project"]["version"] for path in found}
    assert len(versions) == len(PACKAGES)
    assert rules.differing(versions) == []


def test_every_requirement_is_pinned_with_hashes() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "tests/bench/peers/requirements.txt"):
        pins = [line for line in text(Path(name)).splitlines() if line and not line.startswith((" ", "#"))]
        assert pins, name
        assert [line for line in pins if "==" not in line or not line.endswith("\\")] == []


def test_there_is_exactly_one_migration_head() -> None:
    assert rules.heads(MIGRATIONS) == [migrate.head()]


def test_the_root_is_where_the_configuration_is() -> None:
    assert (ROOT / "pyproject.toml").is_file()


def test_tests_mirror_the_source() -> None:
    assert rules.missing_mirrors(PACKAGES, [path for path in tracked() if path.parts[0] == "tests"]) == []
