"""What may be exported: all offers that meet the filters of the list, in one of three formats."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core import parameters
from gateway.core.errors import TooManyExportsError
from gateway.core.parameters import Choice, Parameter
from gateway.core.query import FIELDS, FILTERS_ONLY, PARAMETERS, Condition, conditions_of


class ExportFormat(StrEnum):
    """How offers are written."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


_FORMAT: Final = Parameter(
    "format",
    Choice([known.value for known in ExportFormat]),
    "`ndjson`: an offer as in the list on each line; `csv`: for spreadsheets; `parquet`: where pyarrow is installed.",
    ExportFormat.NDJSON.value,
    ExportFormat.NDJSON.value,
)
EXPORT_PARAMETERS: Final[Mapping[str, Parameter]] = {
    **FILTERS_ONLY,
    "fields": PARAMETERS["fields"],
    "format": _FORMAT,
}


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """What is wanted: conditions in the order of `FILTERS`, fields in the order of asking."""

    conditions: tuple[Condition, ...] = ()
    fields: tuple[str, ...] = FIELDS
    format: ExportFormat = ExportFormat.NDJSON


def read_export(pairs: Iterable[tuple[str, str]]) -> ExportQuery:
    """Return the query.

    Raises:
        InvalidParametersError: With every fault of the request.
    """
    values = parameters.read(pairs, EXPORT_PARAMETERS)
    fields = values.get("fields")
    return ExportQuery(
        conditions_of(values),
        FIELDS if fields is None else tuple(str(fields).split(",")),
        ExportFormat(str(values.get("format", ExportFormat.NDJSON))),
    )


class ExportPlaces:
    """Bounds how many exports run at once in this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place.

        Raises:
            TooManyExportsError: All are taken.
        """
        if self.taken >= self._most:
            raise TooManyExportsError(f"{self._most} exports run already")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
