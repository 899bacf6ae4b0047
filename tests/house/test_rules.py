"""Each house rule sees a planted violation and leaves what is right alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.house import rules

from common.db import migrate

NO_QA = "# no" + "qa"
IGNORE = "# type: " + "ignore"

BROKEN: list[tuple[Callable[[str], list[str]], str, list[str]]] = [
    (rules.long_functions, "def long():\n" + "    x = 1\n" * 60, ["long has 61 lines"]),
    (rules.long_functions, "class A:\n    async def long(self):\n" + "        x = 1\n" * 60, ["long has 61 lines"]),
    (rules.long_file, "x = 1\n" * 401, ["401 lines"]),
    (rules.undocumented, "x = 1\n", ["the module"]),
    (rules.undocumented, '"""Doc."""\nclass A:\n    def b(self): ...\n', ["A", "A.b"]),
    (rules.undocumented, '"""Doc."""\nasync def a(): ...\n', ["a"]),
    (rules.unexplained_silence, f"import os  {NO_QA}\n", ["line 1"]),
    (rules.unexplained_silence, f"\nimport os  {NO_QA}: F401\n", ["line 2"]),
    (rules.unexplained_silence, f"x = 1  {IGNORE}\n", ["line 1"]),
    (rules.unexplained_silence, f"x = 1  {IGNORE}[attr-defined]\n", ["line 1"]),
    (rules.unexplained_silence, "# ruff: no" + "qa: F401\n", ["line 1"]),
    (rules.unexplained_statements, 'A: Final = """\n  SELECT 1"""\nB: Final = 1\n', ["A"]),
    (rules.unexplained_statements, 'A: Final = f"WITH {b} SELECT 1"\n', ["A"]),
    (rules.registry_addresses, "see https://pypi" + ".org/project/x", ["pypi" + ".org"]),
    (rules.registry_addresses, "--index" + "-url https://mirror.example/x", ["index" + "-url"]),
    (rules.registry_addresses, "https://mirror.example" + "/simple\n", ["/sim" + "ple"]),
    (rules.registry_addresses, "FROM quay" + ".io/x/y:1", ["quay" + ".io"]),
    (rules.machine_paths, "cd /wor" + "k/main", ["/wor" + "k/m"]),
    (rules.machine_paths, "path=/hom" + "e/ann/x", ["/hom" + "e/a"]),
    (rules.unexplained_exceptions, 'a = 1\nignore = [\n    "D1", # why\n    "D2",\n]\n', ['"D2",']),
]

KEPT: list[tuple[Callable[[str], list[str]], str]] = [
    (rules.long_functions, "def short():\n" + "    x = 1\n" * 59),
    (rules.long_file, "x = 1\n" * 400),
    (rules.undocumented, '"""Doc."""\nclass _A:\n    def b(self): ...\ndef _c(): ...\n'),
    (rules.undocumented, '"""Doc."""\n@overload\ndef c(): ...\n'),
    (rules.unexplained_silence, f"import os  {NO_QA}: F401 - it is re-exported\n"),
    (rules.unexplained_silence, f"x = 1  {IGNORE}[attr-defined]  # the stub lacks it\n"),
    (
        rules.unexplained_statements,
        'A: Final = "SELECT 1"\n"""One."""\n_B: Final = "SELECT 2"\nC = 1\nD: Final = ("SELECT",)\n',
    ),
    (rules.registry_addresses, "https://example.com/simpler and a simple word"),
    (rules.machine_paths, "services/fetcher/work/a, $HOME/x, ~/home/x, /var/lib"),
]


@pytest.mark.parametrize(
    ("rule", "text", "found"), BROKEN, ids=[f"{row[0].__name__}-{n}" for n, row in enumerate(BROKEN)]
)
def test_a_planted_violation_is_found(rule: Callable[[str], list[str]], text: str, found: list[str]) -> None:
    assert rule(text) == found


@pytest.mark.parametrize(("rule", "text"), KEPT, ids=[f"{row[0].__name__}-{n}" for n, row in enumerate(KEPT)])
def test_what_keeps_the_rule_is_left_alone(rule: Callable[[str], list[str]], text: str) -> None:
    assert rule(text) == []


def test_vague_file_and_folder_names_are_found() -> None:
    assert rules.vague_name(Path("services/gateway/http_utils.py")) == ["utils"]
    assert rules.vague_name(Path("services/misc/offers.py")) == ["misc"]
    assert rules.vague_name(Path("libs/common/src/common/db/database.py")) == []


def test_a_package_without_tests_and_tests_without_a_package_are_found() -> None:
    tests = [Path("tests/unit/common/test_log.py"), Path("tests/unit/old/test_x.py"), Path("tests/house/test_x.py")]
    assert rules.missing_mirrors(["common", "gateway"], tests) == [
        "tests/unit/gateway is missing",
        "tests/unit/old mirrors no package",
    ]


def test_differing_versions_are_listed() -> None:
    assert rules.differing({"a": "1", "b": "2"}) == ["a=1", "b=2"]
    assert rules.differing({"a": "1", "b": "1"}) == []


def test_a_second_migration_head_is_found(tmp_path: Path) -> None:
    shutil.copytree(Path(migrate.__file__).parent / "migrations", tmp_path / "migrations")
    second = 'revision = "rival"\ndown_revision = None\nbranch_labels = None\ndepends_on = None\n'
    (tmp_path / "migrations" / "versions" / "rival.py").write_text(second)
    assert rules.heads(tmp_path / "migrations") == [migrate.head(), "rival"]
