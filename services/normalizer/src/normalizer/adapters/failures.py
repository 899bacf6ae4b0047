"""The driver's errors as ours: by SQLSTATE, and everything that is not sure to come again is transient."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from common.db.session import AWAY
from normalizer.core.errors import PoisonError, TransientError

POISON_CLASSES: Final = ("22", "23", "54")
"""SQLSTATE classes of errors that the same data makes again: data exception, integrity, program limit exceeded."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what is raised inside into `PoisonError` or `TransientError`."""
    try:
        yield
    except (PoisonError, TransientError):
        raise
    except asyncpg.PostgresError as error:
        raise _verdict(error, error.sqlstate) from error
    except (UnicodeError, OverflowError) as error:
        raise PoisonError(f"{type(error).__name__}: {error}") from error
    except AWAY as error:
        raise TransientError(f"{type(error).__name__}: {error}") from error


def _verdict(error: Exception, sqlstate: str | None) -> PoisonError | TransientError:
    text = f"{sqlstate or '-----'} {type(error).__name__}: {error}"
    return PoisonError(text) if (sqlstate or "")[:2] in POISON_CLASSES else TransientError(text)
