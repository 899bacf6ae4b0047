"""The query string is read as the standard library reads it."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from gateway.core.errors import InvalidParametersError
from gateway.entrypoints.http.routes import MAX_PAIRS, query_pairs

pytestmark = pytest.mark.unit

QUERIES = st.lists(st.sampled_from([*"ab=&+%;#", "%20", "%D1%8F", "%ff", "%", "\u044f", "%2B", "%3D", "%26"])).map(
    "".join
)


def asked(raw: bytes) -> Request:
    """Return a request with this query string."""
    return Request({"type": "http", "query_string": raw, "headers": []})


@given(QUERIES)
def test_pairs_are_those_of_the_standard_library(query: str) -> None:
    try:
        expected = parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(InvalidParametersError):
            query_pairs(asked(query.encode()))
    else:
        assert query_pairs(asked(query.encode())) == expected


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(InvalidParametersError):
        query_pairs(asked(b"q=\xff"))


def test_pairs_are_bounded() -> None:
    assert len(query_pairs(asked(b"&".join([b"a=1"] * MAX_PAIRS)))) == MAX_PAIRS
    with pytest.raises(InvalidParametersError):
        query_pairs(asked(b"&".join([b"a=1"] * (MAX_PAIRS + 1))))
