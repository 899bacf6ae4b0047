"""Parquet files made part by part, where pyarrow is installed (the package's extra `parquet`)."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.core.errors import FormatMissingError

_KINDS: Final[Mapping[str, str]] = {
    "year": "int16",
    "km_age": "int32",
    "price": "decimal(14, 2)",
    "displacement_l": "decimal(5, 2)",
    "power_hp": "decimal(7, 1)",
    "power_kw": "decimal(7, 1)",
    "first_registration": "date",
    "offer_created": "date",
    "is_dealer": "boolean",
    "updated_at": "timestamp",
}
"""Fields that are no text, by what the columns of `processed_data` hold; `images` is text in JSON."""


class _Sink:
    """A file that keeps what is written until it is taken away."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep a copy of the bytes."""
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        written, self._written = self._written, []
        return b"".join(written)


class ParquetFile:
    """One file under way; each part is a group of rows, compressed in a thread, as CPU work would stop other requests.

    Raises:
        FormatMissingError: pyarrow is not installed.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        try:
            self._arrow: Any = importlib.import_module("pyarrow")
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise FormatMissingError("Parquet needs pyarrow: pip install 'feedmill-gateway[parquet]'") from error
        self._schema = self._arrow.schema([(name, self._kind(name)) for name in fields])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")

    async def part(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the bytes of these rows, whose values stand in the order of the fields."""
        return await asyncio.to_thread(self._written, rows)

    async def end(self) -> bytes:
        """Return the last bytes."""
        self._writer.close()
        return self._sink.taken()

    def _written(self, rows: Sequence[Sequence[Any]]) -> bytes:
        columns = [
            self._arrow.array([row[place] for row in rows], kind) for place, kind in enumerate(self._schema.types)
        ]
        self._writer.write_table(self._arrow.table(columns, schema=self._schema))
        return self._sink.taken()

    def _kind(self, name: str) -> Any:
        kind, _, size = _KINDS.get(name, "string").partition("(")
        match kind:
            case "decimal":
                return self._arrow.decimal128(*map(int, size.rstrip(")").split(",")))
            case "timestamp":
                return self._arrow.timestamp("us", tz="UTC")
            case "date":
                return self._arrow.date32()
            case _:
                return self._arrow.type_for_alias(kind)
