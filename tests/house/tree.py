"""What the house rules look at: the files that git tracks."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("common", "sandbox", "fetcher", "normalizer", "gateway")


@cache
def tracked() -> tuple[Path, ...]:
    """Return the files that git tracks and that exist, relative to the root.

    In an unpacked archive, where there is no repository, a test has nothing to look at and is skipped.
    """
    command = ["git", "ls-files", "-z"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git lists no files here: {error}")
    paths = (Path(name.decode()) for name in listing.split(b"\0") if name)
    return tuple(path for path in paths if (ROOT / path).is_file())


def python_files() -> list[Path]:
    """Return the tracked Python files, relative to the root."""
    return [path for path in tracked() if path.suffix == ".py"]


def source_files() -> list[Path]:
    """Return the tracked Python files of the five packages, relative to the root."""
    return [path for path in python_files() if path.parts[0] in {"libs", "services"}]


def text(path: Path) -> str:
    """Return the text of a file named relative to the root."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")
