"""The records of the reference sources: checked and merged."""

import pytest

from gateway.core.errors import WrongShapeError
from gateway.core.reference import ReferenceRecord, merged, read_rows

pytestmark = pytest.mark.unit


def test_records_of_all_sources_are_one_list_by_id() -> None:
    first, second = read_rows([(31, "c"), (1, "a")]), read_rows([(11, "b")])
    assert merged({"2": second, "1": first}) == [
        ReferenceRecord(1, "a"),
        ReferenceRecord(11, "b"),
        ReferenceRecord(31, "c"),
    ]
    assert merged({}) == []


@pytest.mark.parametrize("row", [("1", "a"), (1, None), (None, "a"), (True, "a"), (1.0, "a"), (1, b"a")], ids=str)
def test_what_is_no_number_with_a_name_is_refused(row: tuple[object, object]) -> None:
    with pytest.raises(WrongShapeError, match="a number and a text are expected"):
        read_rows([row])
