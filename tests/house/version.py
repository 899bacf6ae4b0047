"""The version of feedmill: it stands in `libs/common/pyproject.toml`, and what cannot read it there is written from it.

`python -m tests.house.version [NEW]` does that, after a new one was put there (`make version TO=0.2.0`).
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.house.tree import ROOT, text, tracked

SOURCE: Final = Path("libs/common/pyproject.toml")
PROJECT: Final = re.compile(r'^(version = ")([^"]+)', re.MULTILINE)
LABEL: Final = re.compile(r'(image\.version=")([^"]+)')
IMAGE: Final = re.compile(r"(image: feedmill-\w+:)(\S+)")
TAG: Final = re.compile(r"(name: feedmill-\w+,.*newTag: )([^,}\s]+)")


def patterns(path: Path) -> tuple[re.Pattern[str], ...]:
    """Return how versions of ours stand in a file: what is before one, and the version."""
    if path.name == "pyproject.toml" and len(path.parts) > 1:
        return (PROJECT,)
    if "Dockerfile" in path.name:
        return (LABEL,)
    if path.suffix in {".yml", ".yaml"}:
        return IMAGE, TAG
    return ()


def stated() -> Iterator[tuple[Path, str]]:
    """Yield every version of ours with the file in which it stands."""
    for path in tracked():
        for pattern in patterns(path):
            for found in pattern.finditer(text(path)):
                yield path, found[2]


def source() -> str:
    """Return the version."""
    found = PROJECT.search(text(SOURCE))
    assert found, SOURCE
    return found[2]


def write(version: str) -> list[Path]:
    """Make every place say this version, and return the files that were changed."""
    changed: list[Path] = []
    for path in {path: None for path, said in stated() if said != version}:
        words = text(path)
        for pattern in patterns(path):
            words = pattern.sub(rf"\g<1>{version}", words)
        (ROOT / path).write_text(words, encoding="utf-8")
        changed.append(path)
    return changed


if __name__ == "__main__":
    print("\n".join(map(str, write(sys.argv[1] if len(sys.argv) > 1 else source()))))  # noqa: T201 - its answer
