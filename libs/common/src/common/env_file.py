"""Reading a file such as `.env`: `NAME=value` on each line, quoted or not."""

from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from common.errors import ConfigurationError


def values_of(path: Path) -> dict[str, str | None]:
    """Return the values by name; none where there is no such file, None for a name without a value.

    Raises:
        ConfigurationError: A line is no `NAME=value`. The text says which, not what stands there: it may be a password.
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    if not path.exists() or path.is_dir():
        return {}
    text = path.read_text(encoding="utf-8")
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise ConfigurationError(f"{path}: line {binding.original.line}: NAME=value is expected")
    return dotenv_values(stream=StringIO(text))
