"""Our own programs, asked in this process: nothing but words is looked at, and a start of each costs a second."""

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final
from unittest.mock import patch

PACKAGES: Final = ("common.", "fetcher.", "gateway.", "normalizer.", "sandbox.")


class RefusedError(Exception):
    """The program ended with another code than 0."""


def shown(program: str, *words: str) -> str:
    """Return what the installed `program` prints to `words`, such as `--help`.

    Raises:
        LookupError: No package of ours installs such a program, or another package has put its own in its place.
        RefusedError: It ended with another code than 0; the text is what it said.
    """
    code, printed, complaint = ended(program, *words)
    if code:
        raise RefusedError(complaint)
    return printed


def ended(program: str, *words: str) -> tuple[str | int | None, str, str]:
    """Return the exit code of the installed `program`, what it printed, and what it said on standard error.

    Raises:
        LookupError: As `shown`.
    """
    script = Path(sys.executable).with_name(program).read_text()
    ours = [entry for entry in entry_points(group="console_scripts", name=program) if f"from {entry.module} " in script]
    if not ours or not ours[0].module.startswith(PACKAGES):
        raise LookupError(program)
    printed, complaint = io.StringIO(), io.StringIO()
    with patch.object(sys, "argv", [program]), redirect_stdout(printed), redirect_stderr(complaint):
        code = _ended(ours[0].load(), words)
    return code, printed.getvalue(), complaint.getvalue()


def _ended(main: Callable[[Sequence[str]], int], words: Sequence[str]) -> str | int | None:
    try:
        return main(words)
    except SystemExit as end:
        return end.code
