"""Whether what lies beside the source is also in what pip installs."""

import tomllib
from collections.abc import Iterable
from pathlib import Path, PurePath


def left_out(pyproject: str, files: Iterable[PurePath]) -> list[str]:
    """Name the files that a plain `pip install` of the package would leave behind.

    Args:
        pyproject: Text of the package's pyproject.toml.
        files: Everything below its `src`, relative to it.
    """
    patterns = tomllib.loads(pyproject)["tool"]["setuptools"]["package-data"]
    files = list(files)
    packages = {file.parent for file in files if file.name == "__init__.py"}
    return [str(file) for file in files if not _is_taken(file, packages, patterns)]


def _is_taken(file: PurePath, packages: set[PurePath], patterns: dict[str, list[str]]) -> bool:
    if file.suffix == ".py" and file.parent in packages:
        return True
    package = next((parent for parent in file.parents if parent in packages), None)
    if package is None:
        return False
    wanted = [*patterns.get("*", []), *patterns.get(".".join(package.parts), [])]
    inner = file.relative_to(package)
    return any(inner.match(pattern) and len(inner.parts) == len(PurePath(pattern).parts) for pattern in wanted)


def below_source(package: Path, tracked: Iterable[Path]) -> list[Path]:
    """Return the tracked files below `package/src`, relative to it."""
    return [path.relative_to(package / "src") for path in tracked if path.is_relative_to(package / "src")]
