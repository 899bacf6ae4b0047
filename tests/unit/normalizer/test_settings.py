"""The bounds of the normalizer's own settings."""

import pytest
from pydantic import ValidationError

from normalizer.settings import NormalizerSection


def test_the_defaults_fit_each_other() -> None:
    section = NormalizerSection()
    assert section.prefetch_messages >= section.batch_records // 20 * (section.transactions_in_flight + 1)


@pytest.mark.parametrize(
    ("records", "in_flight", "needed"),
    [(200, 1, 20), (200, 2, 30), (200, 4, 50), (210, 1, 22), (1, 1, 2), (5000, 1, 500)],
)
def test_a_prefetch_that_cannot_fill_the_batches_is_refused(records: int, in_flight: int, needed: int) -> None:
    values = {"batch_records": records, "transactions_in_flight": in_flight}
    assert NormalizerSection.model_validate({**values, "prefetch_messages": needed}).prefetch_messages == needed
    with pytest.raises(ValidationError, match=f"at least {needed}"):
        NormalizerSection.model_validate({**values, "prefetch_messages": needed - 1})


@pytest.mark.parametrize(
    "values",
    [
        {"batch_records": 0},
        {"batch_records": 5001},
        {"linger_s": 0},
        {"transactions_in_flight": 0},
        {"transactions_in_flight": 9},
        {"prefetch_messages": 1001},
        {"give_back_after_s": 0},
        {"stop_within_s": 31},
        {"unknown": 1},
    ],
    ids=str,
)
def test_what_is_out_of_bounds_or_unknown_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        NormalizerSection.model_validate(values)
