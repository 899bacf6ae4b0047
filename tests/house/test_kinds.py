"""A run says how many tests of each kind it had."""

import pytest
from tests.kinds import counted, kind_of


@pytest.mark.parametrize(
    ("nodeid", "kind"),
    [
        ("tests/unit/common/test_log.py::test_a[x::y]", "unit"),
        ("tests/e2e/test_survival.py::test_b", "e2e"),
        ("tests/test_c.py::test_c", None),
        ("elsewhere/unit/test_d.py", None),
    ],
)
def test_a_test_is_of_the_kind_of_its_folder(nodeid: str, kind: str | None) -> None:
    assert kind_of(nodeid) == kind


def test_kinds_are_counted_by_outcome() -> None:
    outcomes = {
        "passed": ["tests/unit/a.py::b", "tests/unit/a.py::c", "tests/e2e/a.py::d"],
        "skipped": ["tests/unit/a.py"],
    }
    assert counted(outcomes) == ["unit         2 passed, 1 skipped", "e2e          1 passed"]


def test_this_test_is_marked_by_its_folder(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("house") is not None
