"""Names for the overrides in the environment that should be JSON and are none."""

import json
import os


def no_json(said: str, prefix: str) -> str:
    """Return which variables may be meant, and what is expected of them; never their values.

    Args:
        said: pydantic's sentence, which names a section only, in quotes.
        prefix: What the names of all overrides begin with.
    """
    section = said.split('"')[1]
    start = f"{prefix}{section.upper()}"
    names = [name for name, value in os.environ.items() if name.startswith(start) and not _is_json(value)]
    return f'{section}: {" or ".join(names)}: JSON is expected, such as ["a", "b"] for a list'


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
