"""A dump of which anything is missing or changed is told from a whole one, in one line."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.db import manifest
from common.db.manifest import Manifest
from common.db.stock import Stock, differences
from common.errors import TransferError

STOCK = Stock(rows={"raw_data": 3}, positions={"sync_state": [{"platform": "p", "at": 7}]}, sequences={"ids": 9})
MADE = Manifest(
    feedmill="0.1.0", revision="0011", server="15.3", made_at=datetime(2026, 11, 21, tzinfo=UTC), stock=STOCK
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole dump."""
    made = tmp_path / "dump"
    (made / "data").mkdir(parents=True)
    (made / "data" / "toc.dat").write_bytes(b"contents")
    (made / "data" / "1.dat.gz").write_bytes(b"rows")
    manifest.write(made, MADE)
    return made


def test_what_was_written_is_read(folder: Path) -> None:
    assert manifest.read(folder) == MADE


def test_it_may_be_moved(folder: Path, tmp_path: Path) -> None:
    assert manifest.read(folder.rename(tmp_path / "elsewhere")) == MADE


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "data" / "1.dat.gz").write_bytes(b"Rows"), "damaged: data/1.dat.gz"),
        (lambda folder: (folder / "data" / "1.dat.gz").write_bytes(b"row"), "damaged: data/1.dat.gz"),
        (lambda folder: (folder / "data" / "1.dat.gz").unlink(), "cut off: data/1.dat.gz is missing"),
        (lambda folder: (folder / "data" / "2.dat.gz").write_bytes(b""), "damaged: data/2.dat.gz"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "damaged: manifest.json"),
        (lambda folder: (folder / "manifest.json").unlink(), "cut off: manifest.json is missing"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "no whole dump: SHA256SUMS is missing"),
        (lambda folder: (folder / "SHA256SUMS").write_text(""), "damaged: data/1.dat.gz"),
        (lambda folder: (folder / "SHA256SUMS").write_text("x\n"), "SHA256SUMS is not readable"),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b"\xff  a\n"), "SHA256SUMS is not readable"),
        (shutil.rmtree, "no whole dump"),
    ],
)
def test_one_that_is_not_whole_is_refused(folder: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(folder)
    with pytest.raises(TransferError) as caught:
        manifest.read(folder)
    (line,) = str(caught.value).splitlines()
    assert reason in line


def test_a_manifest_of_another_format_is_refused(folder: Path) -> None:
    for name in ("manifest.json", "SHA256SUMS"):
        (folder / name).unlink()
    manifest.write(folder, MADE.model_copy(update={"format": 2}))
    with pytest.raises(TransferError, match="none that this version knows"):
        manifest.read(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"sequences": {"ids": 12}}, []),
        ({"rows": {"raw_data": 3, "more": 1}}, []),
        ({"rows": {"raw_data": 2}}, ["raw_data has 2 rows instead of 3"]),
        ({"rows": {}}, ["raw_data has no table rows instead of 3"]),
        ({"positions": {"sync_state": [{"platform": "p", "at": 6}]}}, ["sync_state differs"]),
        ({"positions": {"sync_state": None}}, ["sync_state differs"]),
        ({"sequences": {"ids": 8}}, ["ids is at 8 instead of 9"]),
        ({"sequences": {}}, ["ids is at None instead of 9"]),
    ],
)
def test_every_difference_is_named(change: dict[str, object], said: list[str]) -> None:
    assert differences(STOCK, STOCK.model_copy(update=change)) == said
