"""What lies beside the data of a dump, and tells whether they are whole and what they must become.

A dump is a folder: `data/` (pg_dump's directory format), `manifest.json` (revision, rows, positions) and `SHA256SUMS`,
which people check with `sha256sum --check SHA256SUMS`.
"""

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from common.db.stock import Stock
from common.errors import TransferError

DATA: Final = "data"
_MANIFEST: Final = "manifest.json"
_SUMS: Final = "SHA256SUMS"


class Manifest(BaseModel):
    """What a dump says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    feedmill: str
    """The version that made it."""
    revision: str
    """Of the schema."""
    server: str
    """PostgreSQL's version."""
    made_at: datetime
    """The moment of the snapshot, by the database's clock."""
    stock: Stock


def write(folder: Path, manifest: Manifest) -> None:
    """Put the manifest and the sums of all files beside the data.

    Raises:
        OSError: They cannot be written.
    """
    _write_durably(folder / _MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    lines = [f"{_digest(folder / name)}  {name}\n" for name in _files(folder)]
    _write_durably(folder / _SUMS, "".join(lines))


def read(folder: Path) -> Manifest:
    """Return the manifest of a dump whose files are all there, as they were written.

    Raises:
        TransferError: It is no dump, or something of it is missing, cut off or changed.
    """
    try:
        expected = dict(_sum_of(line) for line in (folder / _SUMS).read_text(encoding="utf-8").splitlines())
        present = _files(folder)
        missing = sorted(expected.keys() - set(present)) or sorted({_MANIFEST, f"{DATA}/toc.dat"} - set(present))
        if missing:
            raise TransferError(f"{folder}: the dump is cut off: {missing[0]} is missing")
        changed = [name for name in present if _digest(folder / name) != expected.get(name)]
        if changed:
            raise TransferError(f"{folder}: the dump is damaged: {changed[0]} is not what was written")
        return Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise TransferError(f"{folder}: no whole dump: {Path(error.filename).name} is missing") from error
    except OSError as error:
        raise TransferError(f"{folder}: {error.strerror}") from error
    except ValidationError as error:
        raise TransferError(f"{folder}: the manifest is none that this version knows") from error
    except ValueError as error:
        raise TransferError(f"{folder}: the dump is damaged: {_SUMS} is not readable") from error


def _sum_of(line: str) -> tuple[str, str]:
    digest, name = line.split("  ", maxsplit=1)
    return name, digest


def _files(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != _SUMS)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_durably(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
