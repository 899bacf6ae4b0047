"""An installed package is complete: not only the editable one that tests run on."""

from pathlib import Path, PurePath

import pytest
from tests.house.packaging import below_source, left_out
from tests.house.tree import text, tracked

PYPROJECT = """
[tool.setuptools.package-data]
"*" = ["py.typed"]
"a.web" = ["*.html", "pages/*.py"]
"""


def test_what_pip_would_leave_behind_is_found() -> None:
    names = ("a/__init__.py", "a/x.py", "a/py.typed", "a/web/__init__.py", "a/web/i.html", "a/web/pages/p.py")
    missing = ("a/web/i.css", "a/page.html", "a/versions/0001.py", "a/web/pages/p.html", "b.html")
    assert left_out(PYPROJECT, [PurePath(name) for name in (*names, *missing)]) == list(missing)


@pytest.mark.parametrize(
    "package", ["libs/common", "libs/sandbox", "services/fetcher", "services/normalizer", "services/gateway"]
)
def test_everything_below_source_is_installed(package: str) -> None:
    files = below_source(Path(package), tracked())
    assert len(files) > 5
    assert left_out(text(Path(package) / "pyproject.toml"), files) == []
