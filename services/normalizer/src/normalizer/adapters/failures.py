"""The driver's errors as ours: by SQLSTATE, and everything that is not sure to come again is transient."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from common.db.session import AWAY, takes_no_writes
from normalizer.core.errors import PoisonError, TransientError, UnfitError

POISON_CLASSES: Final = ("21", "22", "23", "44", "54", "P0")
"""SQLSTATE classes of errors that the same data makes again: cardinality, data, integrity, view, limit, trigger."""

UNFIT_CLASSES: Final = ("28", "3D", "3F", "42")
"""SQLSTATE classes that neither records nor time explain: no such login, database, schema, table; no right."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what is raised inside into `PoisonError`, `UnfitError` or another `TransientError`."""
    try:
        yield
    except (PoisonError, TransientError):
        raise
    except asyncpg.PostgresError as error:
        raise _verdict(error) from error
    except (UnicodeError, OverflowError) as error:
        raise PoisonError(f"{type(error).__name__}: {error}") from error
    except AWAY as error:
        raise TransientError(f"{type(error).__name__}: {str(error) or 'no answer in time'}") from error


def _verdict(error: asyncpg.PostgresError) -> PoisonError | TransientError:
    sqlstate = error.sqlstate or "-----"
    # Its detail would be the whole row: that is in the table, and belongs into no log.
    text = f"{sqlstate} {type(error).__name__}: {error.args[0]}"
    if sqlstate.startswith(POISON_CLASSES) and not takes_no_writes(error):
        return PoisonError(text)
    return UnfitError(text) if sqlstate.startswith(UNFIT_CLASSES) else TransientError(text)
