"""Log lines are one line each, carry no secret, and live seven days."""

import fcntl
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from common import log


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [handler for handler in root.handlers if isinstance(handler.formatter, log.LineFormatter)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def a_line(message: str, *args: object, error: BaseException | None = None) -> str:
    """Return `message` as a line of the console."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("feedmill", logging.INFO, __file__, 1, message, args, info)
    return log.LineFormatter(with_time=False).format(record)


def test_the_console_shows_level_and_message() -> None:
    assert a_line("page published position=%d", 3) == "[INFO] page published position=3"


def test_files_get_the_time_in_front_in_utc() -> None:
    record = logging.makeLogRecord({"msg": "started", "levelname": "INFO", "created": 0.0, "msecs": 7.0})
    assert log.LineFormatter(with_time=True).format(record) == "1970-01-01 00:00:00,007 [INFO] started"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("a\r\n[ERROR] forged", r"a\r\n[ERROR] forged"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("nul\x00", r"nul\x00"),
        ("next line\x85", r"next line\x85"),
        ("separator\u2028", r"separator\u2028"),
        ("turned\u202etxt", r"turned\u202etxt"),
        ("half \ud800", r"half \ud800"),
        ("奥迪 Ауди", "奥迪 Ауди"),
    ],
)
def test_nothing_in_a_message_starts_a_line_or_commands_a_terminal(message: str, shown: str) -> None:
    line = a_line("%s", message)
    assert line == f"[INFO] {shown}"
    assert line.encode()


def test_a_traceback_follows_its_line_indented() -> None:
    lines = a_line("failed", error=ValueError("why\n[INFO] forged")).split("\n")
    assert lines[0] == "[INFO] failed"
    assert len(lines) > 1
    assert all(line.startswith("    ") for line in lines[1:])


SECRET = "S3cr3t-Value"
SECRET_LINES = [
    "GET https://x.auto-api.com/api/v2/che168/offers?api_key=S3cr3t-Value&page=2",
    "?page=2&api_key=S3cr3t-Value",
    "api_key%3DS3cr3t-Value",
    "{'api_key': 'S3cr3t-Value', 'page': 2}",
    '{"api_key": "S3cr3t-Value"}',
    '{"password":"S3cr3t-Value"}',
    "password=S3cr3t-Value",
    "password='S3cr3t-Value'",
    'DB_PASSWORD="S3cr3t-Value"',
    "RABBITMQ_FETCHER_PASSWORD: S3cr3t-Value",
    "SECRET_KEY=S3cr3t-Value",
    "secret = S3cr3t-Value",
    "access_token=S3cr3t-Value",
    "token: S3cr3t-Value",
    "Authorization: Bearer S3cr3t-Value",
    "authorization: Bearer   S3cr3t-Value",
    "(b'authorization', b'Bearer S3cr3t-Value')",
    "{'Authorization': 'Bearer S3cr3t-Value'}",
    "Authorization: S3cr3t-Value",
    "X-API-Key: S3cr3t-Value",
    "x-api-key=S3cr3t-Value",
    "amqp://fetcher:S3cr3t-Value@127.0.0.1:5672/feedmill",
    "amqps://fetcher:p@S3cr3t-Value@broker/feedmill",
    "postgresql+asyncpg://feedmill:S3cr3t-Value@db/feedmill",
    "https://user:S3cr3t-Value@example.com/",
    "postgresql://db/feedmill?user=a&password=S3cr3t-Value",
]


@pytest.mark.parametrize("text", SECRET_LINES)
def test_secrets_never_reach_a_line(text: str) -> None:
    line = a_line("%s", text)
    assert SECRET not in line
    assert "***" in line


@pytest.mark.parametrize(
    "text",
    [
        "tokens created count=20",
        "token revoked id=7",
        "amqp://127.0.0.1:5672/feedmill",
        "http://127.0.0.1:5555/offers?limit=5",
        "password is missing",
        "the bearer of news",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert a_line("%s", text) == f"[INFO] {text}"


def test_the_rest_of_a_line_with_a_secret_stays_readable() -> None:
    assert a_line("GET /offers?api_key=abc&page=2 200") == "[INFO] GET /offers?api_key=***&page=2 200"
    assert a_line("amqp://fetcher:abc@127.0.0.1:5672/feedmill") == "[INFO] amqp://fetcher:***@127.0.0.1:5672/feedmill"


def test_a_secret_in_a_traceback_is_hidden() -> None:
    assert SECRET not in a_line("failed", error=ValueError(f"GET /?api_key={SECRET}"))


def test_fields_are_key_value_pairs_with_blanks_quoted() -> None:
    assert log.fields("page landed", records=20, error="not found") == 'page landed records=20 error="not found"'
    assert log.fields("started") == "started"


def test_lines_go_to_the_console_and_to_the_file_of_the_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("fetcher", directory=tmp_path / "logs")
    logging.getLogger("anything").info("hello")
    assert capsys.readouterr().err == "[INFO] hello\n"
    assert (tmp_path / "logs" / "fetcher.log").read_text().endswith(" [INFO] hello\n")


def test_the_level_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("fetcher", level="WARNING")
    logging.getLogger("anything").info("quiet")
    logging.getLogger("anything").warning("loud")
    assert capsys.readouterr().err == "[WARNING] loud\n"


def test_libraries_are_heard_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("fetcher", level="DEBUG")
    logging.getLogger("httpx").info("HTTP Request: GET https://x/?api_key=abc")
    assert capsys.readouterr().err == ""


def test_configuring_twice_says_everything_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("fetcher", directory=tmp_path)
    log.configure("fetcher", directory=tmp_path)
    logging.getLogger("anything").info("hello")
    assert capsys.readouterr().err == "[INFO] hello\n"
    assert len((tmp_path / "fetcher.log").read_text().splitlines()) == 1


def test_a_directory_that_cannot_be_written_costs_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    log.configure("fetcher", directory=tmp_path / "taken")
    logging.getLogger("anything").info("goes on")
    warning, line = capsys.readouterr().err.splitlines()
    assert warning.startswith("[WARNING] log file not writable, console only path=")
    assert line == "[INFO] goes on"


def _handler_of_yesterday(path: Path) -> log.DailyFile:
    """Return a handler whose file was last written yesterday."""
    path.write_text("yesterday\n")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).timestamp()  # noqa: TID251 - the handler reads the real clock
    os.utime(path, (yesterday, yesterday))
    return log.DailyFile(path)


def _days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"  # noqa: TID251 - the handler reads the real clock


def test_a_new_day_starts_a_new_file_and_days_older_than_seven_are_deleted(tmp_path: Path) -> None:
    for days in range(2, 12):
        (tmp_path / f"fetcher.log.{_days_ago(days)}").write_text("old")
    for name in ("fetcher.log.bak", "fetcher.log.2020-01-01.gz", "gateway.log.2020-01-01"):
        (tmp_path / name).write_text("somebody's own")
    handler = _handler_of_yesterday(tmp_path / "fetcher.log")
    handler.emit(logging.makeLogRecord({"msg": "today"}))
    handler.close()
    assert (tmp_path / "fetcher.log").read_text() == "today\n"
    kept = {path.name: path.read_text() for path in tmp_path.glob("fetcher.log.2*") if path.suffix != ".gz"}
    assert kept == {f"fetcher.log.{_days_ago(days)}": "old" if days > 1 else "yesterday\n" for days in range(1, 8)}
    assert len(list(tmp_path.glob("*"))) == 1 + 7 + 3


def test_old_files_go_by_age_even_if_there_are_few(tmp_path: Path) -> None:
    (tmp_path / f"fetcher.log.{_days_ago(8)}").write_text("old")
    (tmp_path / f"fetcher.log.{_days_ago(7)}").write_text("kept")
    log.DailyFile(tmp_path / "fetcher.log").close()
    assert [path.read_text() for path in tmp_path.glob("fetcher.log.*")] == ["kept"]


def test_a_process_that_was_silent_for_weeks_follows_into_the_file_of_today(tmp_path: Path) -> None:
    silent = _handler_of_yesterday(tmp_path / "normalizer.log")
    active = log.DailyFile(tmp_path / "normalizer.log")
    active.emit(logging.makeLogRecord({"msg": "active"}))
    (kept,) = tmp_path.glob("normalizer.log.*")
    kept.unlink()  # as its age would have done meanwhile
    silent.emit(logging.makeLogRecord({"msg": "silent"}))
    active.emit(logging.makeLogRecord({"msg": "active again"}))
    for handler in (silent, active):
        handler.close()
    assert (tmp_path / "normalizer.log").read_text() == "active\nsilent\nactive again\n"
    assert list(tmp_path.glob("normalizer.log.*")) == []


class _FullDisk(StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def test_two_processes_do_not_turn_the_day_at_once(tmp_path: Path) -> None:
    handler = _handler_of_yesterday(tmp_path / "fetcher.log")
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    turning = threading.Thread(target=handler.emit, args=[logging.makeLogRecord({"msg": "today"})])
    turning.start()
    turning.join(0.2)
    assert turning.is_alive()
    assert (tmp_path / "fetcher.log").read_text() == "yesterday\n"
    os.close(other)
    turning.join(10)
    handler.close()
    assert (tmp_path / "fetcher.log").read_text() == "today\n"


def test_a_disk_that_fails_is_said_once_and_without_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("fetcher", directory=tmp_path)
    (file,) = [handler for handler in logging.getLogger().handlers if isinstance(handler, log.DailyFile)]
    file.close()
    file.stream = _FullDisk()  # type: ignore[assignment] # as much of a stream as a handler needs
    for number in range(3):
        logging.getLogger("anything").info("api_key=%s line %d", SECRET, number)
    file.stream = (tmp_path / "fetcher.log").open("a", encoding="utf-8")
    logging.getLogger("anything").info("works again")
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if "log file" in line] == [
        f"[WARNING] log file cannot be written, console only path={tmp_path}/fetcher.log",
        f"[INFO] log file is back path={tmp_path}/fetcher.log",
    ]
    assert said.count("[INFO] api_key=*** line") == 3
    assert SECRET not in said
    assert (tmp_path / "fetcher.log").read_text().endswith("[INFO] works again\n")


def test_a_day_that_cannot_be_turned_goes_on_in_the_old_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = _handler_of_yesterday(tmp_path / "fetcher.log")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _refused)
        handler.emit(logging.makeLogRecord({"msg": "first"}))
        handler.emit(logging.makeLogRecord({"msg": "second"}))
    assert (tmp_path / "fetcher.log").read_text() == "yesterday\nfirst\nsecond\n"
    handler.emit(logging.makeLogRecord({"msg": "third"}))
    handler.close()
    assert (tmp_path / "fetcher.log").read_text() == "third\n"
    assert capsys.readouterr().err.count("log file cannot be written") == 1


def _refused(_self: Path, _target: Path) -> None:
    raise PermissionError(13, "refused")


WRITER = """
import logging, pathlib, sys, time
began, real = float(sys.argv[3]), time.time
day_s = 0.25
time.time = lambda: began + (real() - began) / day_s * 86_400  # a day passes in a quarter of a second
from common import log
log.configure("fetcher", directory=pathlib.Path(sys.argv[1]))
logging.getLogger().handlers[0].setLevel("ERROR")
number = 0
while real() - began < 3:
    logging.info("writer=%s number=%d", sys.argv[2], number)
    number += 1
    time.sleep(0.001)
print(number)
"""


def test_processes_that_write_at_once_over_twelve_days_lose_no_line_and_keep_seven_days(tmp_path: Path) -> None:
    began = str(datetime.now(UTC).timestamp() + 0.5)  # noqa: TID251 - real processes
    writers = [
        subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", WRITER, str(tmp_path), str(writer), began], stdout=subprocess.PIPE, text=True
        )
        for writer in range(3)
    ]
    written = [int(writer.communicate(timeout=60)[0]) for writer in writers]
    days = sorted(path.name for path in tmp_path.glob("fetcher.log.*"))
    assert len(days) == log.KEPT_DAYS
    found: dict[str, list[int]] = {}
    for name in [*days, "fetcher.log"]:
        for line in (tmp_path / name).read_text().splitlines():
            match = re.fullmatch(r"\S+ \S+ \[INFO\] writer=(\d) number=(\d+)", line)
            assert match, line
            writer, number = match.groups()
            found.setdefault(writer, []).append(int(number))
    assert {writer: numbers[-1] + 1 for writer, numbers in found.items()} == {
        str(writer): count for writer, count in enumerate(written)
    }
    assert all(numbers == list(range(numbers[0], numbers[-1] + 1)) for numbers in found.values())
    assert all(numbers[0] > 0 for numbers in found.values()), "the first days are gone"


def test_a_second_process_follows_into_the_new_file_and_loses_nothing(tmp_path: Path) -> None:
    first = _handler_of_yesterday(tmp_path / "normalizer.log")
    second = log.DailyFile(tmp_path / "normalizer.log")
    first.emit(logging.makeLogRecord({"msg": "first"}))
    second.emit(logging.makeLogRecord({"msg": "second"}))
    second.emit(logging.makeLogRecord({"msg": "second again"}))
    first.close()
    second.close()
    (kept,) = tmp_path.glob("normalizer.log.*")
    assert kept.read_text() == "yesterday\n"
    assert (tmp_path / "normalizer.log").read_text() == "first\nsecond\nsecond again\n"
