"""The schema revision that this version of the code works with, for processes that do not load Alembic."""

from typing import Final

HEAD: Final = "0017"
"""The newest revision under `migrations/versions`; a test compares the two."""
