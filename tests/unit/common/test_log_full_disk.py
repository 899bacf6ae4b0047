"""A full disk takes no line; whoever said it goes on, and lines are there again when the disk has room."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common import log

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FULL = Path("/dev/full")
SECRET = "S3cr3t-Value"


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    yield
    for handler in [handler for handler in root.handlers if isinstance(handler.formatter, log.LineFormatter)]:
        root.removeHandler(handler)
        handler.close()


class _Disk(io.FileIO):
    """Takes bytes, but for the first write."""

    def __init__(self) -> None:
        super().__init__(os.devnull, "wb")
        self.taken = b""
        self._writes = 0

    def write(self, some: "ReadableBuffer") -> int:
        """Take them all."""
        self._writes += 1
        if self._writes == 1:
            raise OSError(ENOSPC, "No space left on device")
        self.taken += bytes(some)
        return len(bytes(some))


SPEAKER = """
import logging, pathlib, sys
from common import log
log.configure("fetcher", directory=pathlib.Path(sys.argv[1]))
for number in range(3):
    logging.info("line %d", number)
print("went on")
"""


def test_whoever_says_a_line_goes_on_where_neither_file_nor_console_takes_it(tmp_path: Path) -> None:
    (tmp_path / "fetcher.log").symlink_to(FULL)
    with FULL.open("wb") as console:
        speaker = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", SPEAKER, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=console,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    assert (speaker.returncode, speaker.stdout) == (0, b"went on\n")


def test_a_line_that_the_console_did_not_take_is_not_told_with_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = _Disk()
    with io.TextIOWrapper(io.BufferedWriter(disk), line_buffering=True) as console:
        monkeypatch.setattr(sys, "stderr", console)
        log.configure("fetcher")
        for number in range(2):
            logging.getLogger("anything").info("api_key=%s line %d", SECRET, number)
    assert disk.taken.decode() == "[INFO] api_key=*** line 0\n[INFO] api_key=*** line 1\n"


def test_a_day_that_is_turned_on_a_full_disk_has_its_lines_when_there_is_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("fetcher", directory=tmp_path)
    (file,) = [handler for handler in logging.getLogger().handlers if isinstance(handler, log.DailyFile)]
    assert file.stream
    with FULL.open("wb") as full:
        os.dup2(full.fileno(), file.stream.fileno())
    logging.getLogger("anything").info("not taken")
    file.rolloverAt = 0  # a past midnight
    for number in range(2):
        logging.getLogger("anything").info("today %d", number)
    lines = (tmp_path / "fetcher.log").read_text().splitlines()
    assert [line.partition(" [INFO] ")[2] for line in lines] == ["today 0", "today 1"]
    assert "log file is back" in capsys.readouterr().err
