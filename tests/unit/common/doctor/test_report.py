"""What the doctor says can be read by a person who was woken."""

import httpx
import pytest

from common.doctor.report import said

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (TimeoutError(), "no answer in time"),
        (httpx.ReadTimeout(""), "no answer in time"),
        (ConnectionResetError(), "ConnectionResetError"),
        (OSError("first line\nsecond"), "first line"),
    ],
)
def test_a_fault_is_told_in_one_line(fault: Exception, text: str) -> None:
    assert said(fault) == text
