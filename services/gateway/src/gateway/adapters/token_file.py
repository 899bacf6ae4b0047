"""The file in which new tokens are handed out: one token a line, readable for its owner only."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from common.errors import ConfigurationError


class TokenFile:
    """TokenOutlet on one file; with no path nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @asynccontextmanager
    async def draft(self, tokens: Sequence[str], *, replace: bool) -> "AsyncIterator[_Draft]":
        """Write `<path>.new`; `keep` puts it in its place, otherwise it is removed."""
        draft = _Draft(self._path)
        try:
            if self._path is not None and self._path.exists() and not replace:
                raise ConfigurationError(f"{self._path} exists already: name another file")
            draft.write(tokens)
            yield draft
        finally:
            draft.discard()


class _Draft:
    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._new = None if path is None else path.with_name(path.name + ".new")

    def write(self, tokens: Sequence[str]) -> None:
        """Create the new file, mode 0600 from its first moment, and wait until the disk has it."""
        if self._new is None:
            return
        try:
            self._new.unlink(missing_ok=True)
            handle = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.writelines(f"{token}\n" for token in tokens)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written: {error.strerror}") from error

    def keep(self) -> None:
        """Put the new file in its place."""
        if self._new is not None and self._path is not None:
            self._new.replace(self._path)

    def discard(self) -> None:
        """Remove what was not kept."""
        if self._new is not None:
            self._new.unlink(missing_ok=True)
