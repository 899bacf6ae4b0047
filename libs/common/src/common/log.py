"""Log lines as people read them: `[LEVEL] event key=value`, to the console and to files kept seven days."""

import atexit
import fcntl
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO
from urllib.parse import quote, quote_plus

KEPT_DAYS: Final = 7

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What could forge a line, colour a terminal, turn the reading direction, or not be written as UTF-8 at all."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

_SECRETS: Final = (
    # a bearer token first: the next pattern would stop at the blank inside `Bearer …`
    (re.compile(r"(?i)(bearer)(\s+)[\w.~+/=-]{8,}"), r"\1\2***"),
    (
        re.compile(
            r"(?i)(api_?key|x-api-key|authorization|access_token|password|passwd|secret(?:_key)?|token)"
            r"([\"']?(?:%3D|\s*=\s*|\s*:\s*)b?[\"']?)(?!bearer\s)[^\s&\"',;)}\]]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(://[^\s/:@]*):[^\s/]+@"), r"\1:***@"),
)
_SIGNS: Final = ("bearer", "key", "authorization", "token", "passw", "secret", "://")
"""One of them is in every text that a pattern of `_SECRETS` meets; to look for them costs a tenth of the patterns."""


SHORTEST_HIDDEN: Final = 8
"""Shorter secrets are words of the language as well; they are hidden only where they look like a secret."""


class HiddenSecrets:
    """Secrets that this process knows, in every form in which a line may show them."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these as well, unless they are too short."""
        self._forms.update(form for secret in secrets if len(secret) >= SHORTEST_HIDDEN for form in _forms_of(secret))
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def scrub(self, text: str) -> str:
        """Return `text` with `***` in their place."""
        if self._pattern is None or not any(form in text for form in self._forms):
            return text
        return self._pattern.sub("***", text)


hidden = HiddenSecrets()
"""Those of this process."""


def hide(secrets: Iterable[str]) -> None:
    """Let these values become `***` wherever they stand in a line, from now on, in this whole process."""
    hidden.add(secrets)


def _forms_of(secret: str) -> set[str]:
    return {
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    }


def scrub(text: str) -> str:
    """Return `text` without the secrets that are known (`hide`), and without what looks like one."""
    text = hidden.scrub(text)
    folded = text.casefold()
    if any(sign in folded for sign in _SIGNS):
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
    return text


def fields(event: str, /, **values: object) -> str:
    """Return `event key=value …`; values with spaces are quoted."""
    parts = [event]
    for key, value in values.items():
        text = str(value)
        parts.append(f'{key}="{text}"' if " " in text else f"{key}={text}")
    return " ".join(parts)


class LineFormatter(logging.Formatter):
    """Formats a record as one line without control characters and without secrets.

    The console gets `[LEVEL] message`; files get the time in front, in UTC.
    """

    converter = staticmethod(time.gmtime)

    def __init__(self, *, with_time: bool) -> None:
        super().__init__("%(asctime)s [%(levelname)s] %(message)s" if with_time else "[%(levelname)s] %(message)s")
        self._with_time = with_time

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback follows it, indented, only when the record carries one."""
        if record.exc_info or record.stack_info:
            return "\n    ".join(map(_escaped, scrub(super().format(record)).split("\n")))
        # Only a traceback may span lines: a line break inside a message is escaped, so nobody can forge a line.
        text = f"[{record.levelname}] {record.getMessage()}"
        return _escaped(scrub(f"{self.formatTime(record)} {text}" if self._with_time else text))


def _escaped(text: str) -> str:
    return text if text.isprintable() else _CONTROL.sub(lambda match: repr(match.group())[1:-1], text)


def configure(service: str, *, level: str = "INFO", directory: Path | None = None) -> None:
    """Send every logger to standard error and, with `directory`, to `<service>.log`, rotated daily and kept 7 days.

    A directory that cannot be written costs a warning, never the start. An exception that ends the process is logged
    as well: its traceback may hold a secret, and belongs in the file.
    """
    sys.excepthook = _log_crash
    atexit.register(_give_up_lines)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler.formatter, LineFormatter)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line shows them
    console = Console(sys.stderr)
    console.setFormatter(LineFormatter(with_time=False))
    root.addHandler(console)
    for chatty in ("httpx", "httpcore", "aiormq", "aio_pika", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if directory is not None:
        _add_file(root, directory / f"{service}.log")


def _give_up_lines() -> None:
    """Forget what a full disk has not taken: Python would write it at the end, and make 120 of the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        logging.getLogger(__name__).critical("crashed: %s", kind.__name__, exc_info=(kind, error, traceback))
    else:
        sys.__excepthook__(kind, error, traceback)


class Console(logging.StreamHandler[TextIO]):
    """Standard error. A line that it does not take, as on a full disk, is lost, and whoever has said it goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is the standard library's
        """Say nothing: nobody would hear it. The standard library would print the line, secrets and all."""


class DailyFile(TimedRotatingFileHandler):
    """`<service>.log`, turned at midnight UTC to `<service>.log.<date>`; days older than `KEPT_DAYS` are deleted.

    Several processes of one service may write to the same file: one of them turns the day, the others follow.
    A disk that fails costs one warning on the console, which goes on; lines are in the file again when it does.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, when="midnight", encoding="utf-8", utc=True)
        self._fails = False
        self._has_failed = False
        self._delete_old()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; say when lines begin to be missing in the file, and when they end to."""
        self._fails = False
        super().emit(record)
        if self._fails != self._has_failed:
            self._has_failed = self._fails
            said = "[WARNING] log file cannot be written, console only" if self._fails else "[INFO] log file is back"
            with suppress(OSError):  # both are often on the same full disk
                sys.stderr.write(f"{said} path={self.baseFilename}\n")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - the names are the standard library's
        """Note the failure. The standard library would print the line, secrets and all."""
        self._fails = True

    def doRollover(self) -> None:  # noqa: N802 - as above
        """Turn the day, or go on in the new file when another process has turned it."""
        try:
            self._turn(Path(self.baseFilename))
        except OSError:
            self._fails = True  # the line goes into the old file, and the next one tries again

    def _turn(self, current: Path) -> None:
        directory = os.open(current.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            kept = current.with_name(f"{current.name}.{_day(self.rolloverAt - self.interval)}")
            if self._writes_to(current) and not kept.exists():
                current.rename(kept)
            stream, self.stream = self.stream, None  # the next line that is logged opens it
            if stream:
                with suppress(OSError):  # the console has the lines that a full disk did not take
                    stream.close()
            self.rolloverAt = self.computeRollover(int(_now()))
            self._delete_old()
        finally:
            os.close(directory)

    def _writes_to(self, current: Path) -> bool:
        """Say whether the file under our name is the one that we write: another process may have turned it."""
        try:
            return self.stream is not None and os.path.samestat(os.fstat(self.stream.fileno()), current.stat())
        except FileNotFoundError:
            return False

    def _delete_old(self) -> None:
        oldest = _day(_now() - KEPT_DAYS * 86_400)
        current = Path(self.baseFilename)
        for path in current.parent.glob(f"{current.name}.*"):
            day = path.name.removeprefix(f"{current.name}.")
            if _DAY.fullmatch(day) and day < oldest:
                path.unlink(missing_ok=True)


def _now() -> float:
    return time.time()  # noqa: TID251 - as the rest of logging does


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _add_file(root: logging.Logger, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = DailyFile(path)
    except OSError as error:
        root.warning(fields("log file not writable, console only", path=path, error=error.strerror))
        return
    file.setFormatter(LineFormatter(with_time=True))
    root.addHandler(file)
