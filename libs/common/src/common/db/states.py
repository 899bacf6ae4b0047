"""Numbers that stand in the tables, for processes that load no table metadata."""

from typing import Final

ACTIVE: Final = 0
INACTIVE: Final = 1
"""`active_status`: 0 on sale, 1 not; numbers of the brief."""
