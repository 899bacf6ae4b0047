"""Log lines as people read them: `[LEVEL] event key=value`, to the console and to files kept seven days."""

import fcntl
import logging
import os
import re
import sys
import time
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Final

KEPT_DAYS: Final = 7

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What could forge a line, colour a terminal, turn the reading direction, or not be written as UTF-8 at all."""

_SECRETS: Final = (
    # a bearer token first: the next pattern would stop at the blank inside `Bearer …`
    (re.compile(r"(?i)\b(bearer)(\s+)[\w.~+/=-]{8,}"), r"\1\2***"),
    (
        re.compile(
            r"(?i)(api_?key|x-api-key|authorization|access_token|password|passwd|secret(?:_key)?|token)"
            r"([\"']?(?:%3D|\s*=\s*|\s*:\s*)b?[\"']?)(?!bearer\s)[^\s&\"',;)}\]]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b((?:amqps?|postgres(?:ql)?(?:\+\w+)?|https?)://[^\s/:@]*):[^\s/]+@"), r"\1:***@"),
)


def scrub(text: str) -> str:
    """Return `text` without what looks like a key, a token or a password in a URL."""
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

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback follows it, indented, only when the record carries one."""
        text = scrub(super().format(record))
        lines = [_CONTROL.sub(lambda match: repr(match.group())[1:-1], line) for line in text.split("\n")]
        # Only a traceback may span lines: a line break inside a message is escaped, so nobody can forge a line.
        if record.exc_info or record.stack_info:
            return "\n    ".join(lines)
        return "\\n".join(lines)


def configure(service: str, *, level: str = "INFO", directory: Path | None = None) -> None:
    """Send every logger to standard error and, with `directory`, to `<service>.log`, rotated daily and kept 7 days.

    A directory that cannot be written costs a warning, never the start.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler.formatter, LineFormatter)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(LineFormatter(with_time=False))
    root.addHandler(console)
    for chatty in ("httpx", "httpcore", "aiormq", "aio_pika", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if directory is not None:
        _add_file(root, directory / f"{service}.log")


class DailyFile(TimedRotatingFileHandler):
    """`<service>.log`, turned at midnight UTC to `<service>.log.<date>`; `KEPT_DAYS` of those are kept.

    Several processes of one service may write to the same file: one of them turns the day, the others follow.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, when="midnight", backupCount=KEPT_DAYS, encoding="utf-8", utc=True)

    def doRollover(self) -> None:  # noqa: N802 - the name is the standard library's
        """Turn the day, or go on in the new file when another process has turned it."""
        directory = os.open(Path(self.baseFilename).parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            ended = time.strftime(self.suffix, time.gmtime(self.rolloverAt - self.interval))
            if not Path(self.rotation_filename(f"{self.baseFilename}.{ended}")).exists():
                super().doRollover()
                return
            if self.stream:
                self.stream.close()
            self.stream = self._open()
            self.rolloverAt = self.computeRollover(int(time.time()))  # noqa: TID251 - as the rest of logging does
        finally:
            os.close(directory)


def _add_file(root: logging.Logger, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = DailyFile(path)
    except OSError as error:
        root.warning(fields("log file not writable, console only", path=path, error=error.strerror))
        return
    file.setFormatter(LineFormatter(with_time=True))
    root.addHandler(file)
