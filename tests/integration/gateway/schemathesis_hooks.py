"""What schemathesis has to know besides the OpenAPI description; it imports this file itself (SCHEMATHESIS_HOOKS)."""

import math
import os
import re
from itertools import count
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

MAX_SKIPPED: Final = 10_000
VOID_TOKEN: Final = os.environ.get("VOID_TOKEN")
"""Sent with every second request of a run that has no valid token."""
_calls = count(1)


@schemathesis.hook
def before_call(context: HookContext, case: "Case[Any]", kwargs: dict[str, Any]) -> None:
    """Ask from another address each time, and for nothing that the text of the description forbids.

    An address that sends twenty wrong tokens is not listened to for a while.
    """
    del context, kwargs
    number = next(_calls)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    if VOID_TOKEN and number % 2:
        case.headers["X-API-Key"] = VOID_TOKEN
    if case.query:
        _make_consistent(case.query, number)


def _make_consistent(query: Any, number: int) -> None:
    """Undo what schemas cannot forbid: parameters that exclude or contradict each other, words without letters."""
    if "page" in query and "cursor" in query:
        del query["page" if number % 2 else "cursor"]
    if (_number(query.get("page", 1)) - 1) * _number(query.get("limit", 20)) > MAX_SKIPPED:
        query["limit"] = 1
    for least, most in (("price_from", "price_to"), ("year_from", "year_to"), ("km_age_from", "km_age_to")):
        if _number(query.get(least, 0)) > _number(query.get(most, math.inf)):
            del query[most]
    if query.get("q") and not re.search(r"[^\W_]", str(query["q"])):
        query["q"] = "bmw"


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan  # which no comparison holds for


@schemathesis.check
def refused_without_a_valid_token(_ctx: CheckContext, response: Response, case: "Case[Any]") -> None:
    """In a run without a valid token, nothing is answered that needs one."""
    needs_token = case.operation.definition.raw.get("security") != []
    if VOID_TOKEN and needs_token and response.status_code < 400:
        raise AssertionError(f"answered {response.status_code} without a valid token")
