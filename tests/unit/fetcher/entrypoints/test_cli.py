"""Arguments in, exit codes out."""

import logging
from datetime import date

import pytest

from common.errors import ConfigurationError, FeedmillError, UnavailableError
from fetcher.app import parse
from fetcher.core.errors import AlreadyRunningError, LoadStoppedError
from fetcher.entrypoints.cli import Exit, execute, worst

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["initial-load"], {"platform": None, "max_pages": None, "again": False}),
        (["initial-load", "--platform", "encar"], {"platform": "encar", "max_pages": None, "again": False}),
        (["initial-load", "--max-pages", "3", "--again"], {"platform": None, "max_pages": 3, "again": True}),
        (["daily-update"], {"platform": None, "max_dates": None, "since": None}),
        (
            ["daily-update", "--max-dates", "2", "--since", "2026-11-20"],
            {"platform": None, "max_dates": 2, "since": date(2026, 11, 20)},
        ),
    ],
)
def test_arguments_are_understood(argv: list[str], expected: dict[str, object]) -> None:
    assert vars(parse(argv)) == {"command": argv[0], **expected}


@pytest.mark.parametrize(
    "argv", [[], ["load"], ["initial-load", "--max-pages", "0"], ["initial-load", "--max-pages", "x"]], ids=str
)
def test_wrong_arguments_are_usage_errors(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        parse(argv)
    assert ending.value.code == 2
    assert "usage: fetcher" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("database.port: not a number"), 2),
        (AlreadyRunningError("a fetcher is already running for che168"), 75),
        (LoadStoppedError("che168: page 3: http_401"), 1),
        (UnavailableError("database 127.0.0.1:5432/feedmill"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_expected_failure_is_one_line_and_a_code(
    error: FeedmillError, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Exit:
        raise error

    with caplog.at_level(logging.ERROR):
        assert execute(fail) == code
    assert [(record.message, record.exc_info) for record in caplog.records] == [(str(error), None)]


def test_the_worst_of_several_platforms_counts() -> None:
    assert worst([]) is Exit.DONE
    assert worst([Exit.DONE, Exit.ALREADY_RUNNING]) is Exit.ALREADY_RUNNING
    assert worst([Exit.ALREADY_RUNNING, Exit.WITH_ERRORS, Exit.DONE]) is Exit.WITH_ERRORS
