"""Every import contract of the root pyproject.toml fails on the violation that it was written against."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from tests.house.tree import ROOT

PLANTED: Final[tuple[tuple[str, str, str, str], ...]] = (
    # contract, file to write or append to, line, what the report must name
    ("services-meet-in-common-only", "services/fetcher/src/fetcher/core/__init__.py", "import gateway", "gateway"),
    ("services-meet-in-common-only", "services/gateway/src/gateway/core/__init__.py", "import sandbox", "sandbox"),
    ("common-imports-no-service", "libs/common/src/common/clock.py", "import normalizer", "normalizer"),
    (
        "production-imports-no-fakes",
        "services/normalizer/src/normalizer/adapters/__init__.py",
        "import common.testing.clock",
        "common.testing",
    ),
    ("common-is-layered", "libs/common/src/common/events.py", "import common.settings", "common.settings"),
    ("common-is-layered", "libs/common/src/common/db/engine.py", "import common.testing.clock", "common.testing"),
    ("common-is-layered", "libs/common/src/common/stray.py", "", "common.stray"),
    (
        "services-are-layered",
        "services/fetcher/src/fetcher/core/__init__.py",
        "import fetcher.adapters",
        "fetcher.adapters",
    ),
    (
        "services-are-layered",
        "services/gateway/src/gateway/adapters/__init__.py",
        "import gateway.entrypoints",
        "gateway.entrypoints",
    ),
    ("services-are-layered", "services/normalizer/src/normalizer/stray.py", "", "normalizer.stray"),
    (
        "core-knows-common-events-only",
        "services/fetcher/src/fetcher/core/__init__.py",
        "import common.settings",
        "common.settings",
    ),
    ("core-does-no-io", "services/gateway/src/gateway/core/__init__.py", "import fastapi", "fastapi"),
    ("core-does-no-io", "services/normalizer/src/normalizer/core/__init__.py", "import common.db.engine", "asyncpg"),
    ("core-does-no-io", "libs/common/src/common/errors.py", "import sqlalchemy", "sqlalchemy"),
)


def contract_ids() -> list[str]:
    """Return the ids of all contracts in the root configuration."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [contract["id"] for contract in configuration["tool"]["importlinter"]["contracts"]]


def lint(tree: Path, *, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the linter on the packages of `tree`, with one contract or with all."""
    sources = [*sorted(tree.glob("libs/*/src")), *sorted(tree.glob("services/*/src"))]
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    if contract:
        command += ["--contract", contract]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own tool on our own tree


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    """Return a copy of all packages beside a copy of the configuration."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for source in (*ROOT.glob("libs/*/src"), *ROOT.glob("services/*/src")):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, tmp_path / source.relative_to(ROOT), ignore=ignored)
    return tmp_path


def test_the_tree_keeps_every_contract() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract for contract, *_ in PLANTED} == set(contract_ids())


@pytest.mark.parametrize(("contract", "file", "line", "named"), PLANTED, ids=[f"{row[0]}:{row[3]}" for row in PLANTED])
def test_a_planted_violation_breaks_its_contract(
    copied_tree: Path, contract: str, file: str, line: str, named: str
) -> None:
    path = copied_tree / file
    before = path.read_text(encoding="utf-8") if path.exists() else '"""Planted."""\n'
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    result = lint(copied_tree, contract=contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "0 kept, 1 broken" in result.stdout
    assert named in result.stdout.split("Contracts: 0 kept, 1 broken")[1]
