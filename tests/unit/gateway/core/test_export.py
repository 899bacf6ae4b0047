"""What an export may be asked for, and how many run."""

import pytest

from gateway.core.errors import InvalidParametersError, TooManyExportsError
from gateway.core.export import EXPORT_PARAMETERS, ExportFormat, ExportPlaces, ExportQuery, read_export
from gateway.core.query import FIELDS, FILTERS_ONLY, read_filters

pytestmark = pytest.mark.unit


def test_without_parameters_it_is_everything_in_lines_of_json() -> None:
    assert read_export([]) == ExportQuery((), FIELDS, ExportFormat.NDJSON)


def test_the_filters_are_those_of_the_list() -> None:
    pairs = [("mark", "BMW"), ("price_to", "5000"), ("q", "125i")]
    assert read_export([*pairs, ("format", "csv"), ("fields", "price,mark")]) == ExportQuery(
        read_filters(pairs), ("price", "mark"), ExportFormat.CSV
    )
    assert EXPORT_PARAMETERS.keys() == FILTERS_ONLY.keys() | {"fields", "format"}


@pytest.mark.parametrize("pair", [("format", "xml"), ("limit", "5"), ("cursor", "x"), ("fields", "mark,mark")], ids=str)
def test_what_is_not_known_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidParametersError):
        read_export([pair])


def test_as_many_run_as_there_are_places() -> None:
    places = ExportPlaces(1)
    with places.place():
        with pytest.raises(TooManyExportsError), places.place():
            pass
        assert places.taken == 1
    with places.place():
        assert places.taken == 1
