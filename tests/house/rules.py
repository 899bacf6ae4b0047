"""The house rules as functions: each takes text or names and returns what breaks the rule, one line each."""

import ast
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.script import ScriptDirectory

MAX_FUNCTION_LINES: Final = 60
MAX_FILE_LINES: Final = 400
VAGUE_NAMES: Final = frozenset({"utils", "util", "helpers", "helper", "misc", "manager", "base", "data2"})

# The patterns below are written so that they do not match themselves.
REGISTRIES: Final = re.compile(
    r"[p]ypi[.]org|[p]ythonhosted[.]org|docker[.]io|ghcr[.]io|quay[.]io|[n]pmjs[.]org|proxy[.]golang"
    r"|/simple/?(?=[\s\"']|$)|index-ur[l]|trusted-hos[t]|find-link[s]"
)
MACHINE_PATHS: Final = re.compile(r"(?<![\w.~$}-])/(?:wor[k]|Users|home)/[A-Za-z]")

_SILENCED = re.compile(r"#\s*(?:ruff:\s*)?noqa\b|#\s*type:\s*ignore")
_EXPLAINED = re.compile(r"#\s*(?:ruff:\s*)?noqa: [A-Z0-9, ]+ - \w|#\s*type:\s*ignore\[[\w, -]+\]\s*# \w")

_STATEMENT = re.compile(r"\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE|LOCK)\s")
_MAY_BE_STATEMENT = re.compile(rf"[\"']{_STATEMENT.pattern}")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def long_functions(source: str) -> list[str]:
    """Name each function that is longer than MAX_FUNCTION_LINES, its signature and docstring included."""
    return [f"{name} has {lines} lines" for name, lines in functions(source) if lines > MAX_FUNCTION_LINES]


@cache  # two rules ask, and to read all files takes seconds
def functions(source: str) -> list[tuple[str, int]]:
    """Return each function with the number of its lines."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Function)]
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in nodes]


def long_file(source: str) -> list[str]:
    """Say so when a file has more than MAX_FILE_LINES lines."""
    lines = len(source.splitlines())
    return [f"{lines} lines"] if lines > MAX_FILE_LINES else []


def undocumented(source: str) -> list[str]:
    """Name the module, each class and each public function or method that has no docstring."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module"]
    return [*found, *_undocumented_in(tree.body)]


def _undocumented_in(body: Iterable[ast.stmt], owner: str = "") -> Iterable[str]:
    for node in body:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and not _is_overload(node):
            yield owner + node.name
        if isinstance(node, ast.ClassDef):
            yield from _undocumented_in(node.body, f"{owner}{node.name}.")


def _is_overload(node: ast.ClassDef | Function) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


def unexplained_silence(source: str) -> list[str]:
    """Name each line that silences a check without saying why."""
    lines = enumerate(source.splitlines(), start=1)
    return [f"line {n}" for n, line in lines if _SILENCED.search(line) and not _EXPLAINED.search(line)]


def unexplained_statements(source: str) -> list[str]:
    """Name each public constant of a module that is SQL and is not followed by a sentence on what it promises."""
    if not _MAY_BE_STATEMENT.search(source):
        return []
    body = ast.parse(source).body
    found = []
    for node, following in zip(body, [*body[1:], None], strict=True):
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and not target.id.startswith("_") and _is_sql(node) and not _is_text(following):
            found.append(target.id)
    return found


def _is_sql(node: ast.stmt) -> bool:
    texts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))
    return _STATEMENT.match(next(texts, "")) is not None


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def registry_addresses(text: str) -> list[str]:
    """Name each address or option of a package or image registry."""
    return REGISTRIES.findall(text)


def machine_paths(text: str) -> list[str]:
    """Name each absolute path that exists on one machine only."""
    return MACHINE_PATHS.findall(text)


def vague_name(path: Path) -> list[str]:
    """Say so when the name of a Python file or of one of its folders could hold anything."""
    words = {word for part in path.with_suffix("").parts for word in part.lower().split("_")}
    return sorted(words & VAGUE_NAMES)


def unexplained_exceptions(pyproject: str) -> list[str]:
    """Name each lint rule that the root configuration ignores without a reason on its line."""
    start = pyproject.index("\nignore = [")
    listed = pyproject[start : pyproject.index("\n]", start)].splitlines()[2:]
    return [line.strip() for line in listed if "#" not in line]


def missing_mirrors(packages: Iterable[str], tests: Iterable[Path]) -> list[str]:
    """Name each package without unit tests, and each test folder named after no package."""
    packages = set(packages)
    folders = {(path.parts[1], path.parts[2]) for path in tests if len(path.parts) > 3}
    mirrored = {"unit", "contract", "integration"}
    missing = [f"tests/unit/{name} is missing" for name in sorted(packages) if ("unit", name) not in folders]
    strays = sorted(f"tests/{kind}/{name}" for kind, name in folders if kind in mirrored and name not in packages)
    return missing + [f"{stray} mirrors no package" for stray in strays]


def heads(script_location: Path) -> list[str]:
    """Return the newest revisions in a folder of migrations; a tree that can be migrated has one."""
    config = Config()
    config.set_main_option("script_location", str(script_location))
    config.set_main_option("path_separator", "os")
    return sorted(ScriptDirectory.from_config(config).get_heads())


def differing(named: dict[str, str]) -> list[str]:
    """Return every `name=value` when the values are not all equal."""
    return [] if len(set(named.values())) == 1 else [f"{name}={value}" for name, value in sorted(named.items())]


SOURCE_RULES: Final[tuple[Callable[[str], list[str]], ...]] = (undocumented, unexplained_statements)
PYTHON_RULES: Final[tuple[Callable[[str], list[str]], ...]] = (long_functions, long_file, unexplained_silence)
TEXT_RULES: Final[tuple[Callable[[str], list[str]], ...]] = (registry_addresses, machine_paths)
