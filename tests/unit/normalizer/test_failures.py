"""Whose fault an error of the database is, by SQLSTATE."""

import asyncpg
import pytest

from normalizer.adapters.failures import translated
from normalizer.core.errors import PoisonError, TransientError, UnfitError


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        pytest.param(asyncpg.DeadlockDetectedError, TransientError, id="40P01 deadlock"),
        pytest.param(asyncpg.SerializationError, TransientError, id="40001 serialisation"),
        pytest.param(asyncpg.AdminShutdownError, TransientError, id="57P01 shutdown"),
        pytest.param(asyncpg.LockNotAvailableError, TransientError, id="55P03 lock not in time"),
        pytest.param(asyncpg.DiskFullError, TransientError, id="53100 disk full"),
        pytest.param(asyncpg.ConnectionDoesNotExistError, TransientError, id="08003 connection gone"),
        pytest.param(asyncpg.ReadOnlySQLTransactionError, TransientError, id="25006 a standby"),
        pytest.param(asyncpg.InvalidCachedStatementError, TransientError, id="0A000 plan of before a migration"),
        pytest.param(asyncpg.InternalServerError, TransientError, id="XX000"),
        pytest.param(TimeoutError, TransientError, id="no connection in time"),
        pytest.param(asyncpg.NumericValueOutOfRangeError, PoisonError, id="22003 number too large"),
        pytest.param(asyncpg.CheckViolationError, PoisonError, id="23514 constraint"),
        pytest.param(asyncpg.StatementTooComplexError, PoisonError, id="54001 too deep"),
        pytest.param(asyncpg.CardinalityViolationError, PoisonError, id="21000 a row twice"),
        pytest.param(asyncpg.RaiseError, PoisonError, id="P0001 a trigger"),
        pytest.param(OverflowError, PoisonError, id="too large for its column's type"),
        pytest.param(asyncpg.UndefinedTableError, UnfitError, id="42P01 no such table"),
        pytest.param(asyncpg.UndefinedColumnError, UnfitError, id="42703 no such column"),
        pytest.param(asyncpg.InsufficientPrivilegeError, UnfitError, id="42501 no right"),
        pytest.param(asyncpg.InvalidPasswordError, UnfitError, id="28P01 password"),
        pytest.param(asyncpg.InvalidCatalogNameError, UnfitError, id="3D000 no such database"),
    ],
)
def test_each_error_of_the_database_has_its_verdict(error: type[Exception], verdict: type[Exception]) -> None:
    with pytest.raises(verdict) as caught, translated():
        raise error("why")
    assert type(caught.value) is verdict


@pytest.mark.parametrize("function", ["GetNewTransactionId", "GetNewMultiXactId"])
def test_a_server_that_writes_nothing_more_blames_no_record(function: str) -> None:
    error = asyncpg.ProgramLimitExceededError("database is not accepting commands to avoid wraparound data loss")
    error.server_source_function = function
    with pytest.raises(TransientError), translated():
        raise error


def test_an_error_without_words_gets_some() -> None:
    with pytest.raises(TransientError, match=r"^TimeoutError: no answer in time$"), translated():
        raise TimeoutError


def test_a_verdict_names_the_error_and_not_the_row() -> None:
    error = asyncpg.CheckViolationError('violates "poison"')
    error.detail = "Failing row contains (1, Ivanov)."
    with pytest.raises(PoisonError) as caught, translated():
        raise error
    assert str(caught.value) == '23514 CheckViolationError: violates "poison"'
