"""When a list is not believed, as a table."""

from datetime import UTC, datetime

import pytest

from common.events import ChangeId
from fetcher.core.ports import Run, RunKind
from fetcher.core.retire import Guard, RetireCounts
from fetcher.core.sweep_ports import Unseen

pytestmark = pytest.mark.unit

GUARD = Guard(least_pages=0.9, most_offers=5, most_share=0.1)


def refusal(
    *, pages: int = 10, earlier: int | None = 10, gaps: int = 0, sights: int = 100, gone: tuple[int, int] = (0, 10)
) -> str:
    """Return why nothing may be retired; `gone`: so many offers of so many."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    sweep = Run("r", "che168", ChangeId(1), RunKind.SWEEP, pages=pages, started_at=start)
    unseen = Unseen(active=gone[1], unseen=gone[0], removable=gone[0])
    return GUARD.refusal(sweep, gaps=gaps, sights=sights, earlier_pages=earlier, unseen=unseen)


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param({"pages": 9}, id="nine pages of ten"),
        pytest.param({"pages": 1, "earlier": None}, id="nobody knows how many there were"),
        pytest.param({"gone": (5, 10)}, id="as many offers as may always go"),
        pytest.param({"gone": (10, 100)}, id="as great a share as may go"),
    ],
)
def test_what_is_believed(allowed: dict[str, int]) -> None:
    assert refusal(**allowed) == ""  # type: ignore[arg-type] # each row names what it changes


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        pytest.param({"gaps": 1}, "the sweep is incomplete, 1 of its pages are missing", id="a gap"),
        pytest.param({"sights": 0}, "the list is empty", id="nothing seen"),
        pytest.param({"pages": 8}, "the list has shrunk from 10 to 8 pages", id="eight pages of ten"),
        pytest.param({"gone": (6, 10)}, "6 of 10 offers would go, more than 5", id="one offer more"),
        pytest.param({"gone": (11, 100)}, "11 of 100 offers would go, more than 10", id="a greater share"),
    ],
)
def test_what_is_not_believed(refused: dict[str, int], said: str) -> None:
    assert refusal(**refused) == said  # type: ignore[arg-type] # as above


def test_every_answer_counts_as_asked() -> None:
    assert RetireCounts(retired=1, alive=20, unknown=300).asked == 321
