"""Log lines as people read them: `[LEVEL] event key=value`, to the console and to files kept seven days."""

import logging
import re
import sys
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Final

KEPT_DAYS: Final = 7

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SECRETS: Final = (
    (
        re.compile(r"(?i)(api_key|apikey|access_token|password|passwd|secret|token)(=|%3D|\"?:\s*\"?)[^\s&\"',;)]+"),
        r"\1\2***",
    ),
    (re.compile(r"(?i)(authorization|x-api-key)(\"?\s*[:=]\s*\"?)(bearer\s+)?[^\s\"',;)]+"), r"\1\2***"),
    (re.compile(r"(?i)\b((?:amqps?|postgres(?:ql)?(?:\+\w+)?|https?)://[^\s/:@]*):[^\s@/]+@"), r"\1:***@"),
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

    The console gets `[LEVEL] message`; files get the time in front.
    """

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
    root.handlers.clear()
    root.setLevel(level)
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(LineFormatter(with_time=False))
    root.addHandler(console)
    for chatty in ("httpx", "httpcore", "aiormq", "aio_pika", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if directory is not None:
        _add_file(root, directory / f"{service}.log")


def _add_file(root: logging.Logger, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = TimedRotatingFileHandler(path, when="midnight", backupCount=KEPT_DAYS, encoding="utf-8", utc=True)
    except OSError as error:
        root.warning(fields("log file not writable, console only", path=path, error=error.strerror))
        return
    file.setFormatter(LineFormatter(with_time=True))
    root.addHandler(file)
