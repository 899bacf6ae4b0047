"""The broker's definitions file, made from the template and the environment."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from common.errors import ConfigurationError
from common.topology import USERS, render_definitions

TEMPLATE: Final = Path("deploy/rabbitmq/definitions.json")


def password_name(user: str) -> str:
    """Return the environment's name for the password of a broker's user."""
    return f"RABBITMQ_{user.upper()}_PASSWORD"


def write(template: Path, out: Path, *, environment: Mapping[str, str]) -> None:
    """Write `template` with password hashes to `out`, whole or not at all.

    Raises:
        ConfigurationError: A password is missing (the text has its name), the template cannot be read, or `out` cannot
            be written.
    """
    missing = [password_name(user) for user in USERS if not environment.get(password_name(user))]
    if missing:
        raise ConfigurationError(f"not set: {', '.join(missing)}")
    try:
        content = json.loads(template.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{template}: not readable as JSON: {error}") from error
    rendered = render_definitions(content, {user: environment[password_name(user)] for user in USERS})
    draft = out.with_name(f"{out.name}.new")
    try:
        draft.write_text(json.dumps(rendered, indent=1) + "\n", encoding="utf-8")
        draft.replace(out)
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be written: {error.strerror}") from error
