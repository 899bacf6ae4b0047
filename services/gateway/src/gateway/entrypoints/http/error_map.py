"""Every error as an RFC 9457 problem; the one place where HTTP status codes live."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException

from common.errors import UnavailableError
from gateway.core.errors import (
    AmbiguousIdError,
    BodyRefusedError,
    FormatMissingError,
    HeadersTooLargeError,
    InvalidCursorError,
    InvalidParametersError,
    LimitedError,
    MalformedRequestError,
    NotFoundError,
    PositionGoneError,
    QueryTimeoutError,
    SlowRequestError,
    TooLongError,
    TooManyConnectionsError,
    TooManyExportsError,
    TooManyStreamsError,
    UnauthorizedError,
)

PROBLEM_JSON: Final = "application/problem+json"
OK: Final = HTTPStatus.OK.value
NOT_MODIFIED: Final = HTTPStatus.NOT_MODIFIED.value


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem: its status and name, and what a client can do about it."""

    status: HTTPStatus
    name: str
    title: str
    advice: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The problem's type: a place in the documentation."""
        return f"/docs#problem-{self.name}"


MALFORMED: Final = ProblemKind(
    HTTPStatus.BAD_REQUEST,
    "malformed-request",
    "Malformed request",
    "Send one credential, in an HTTP request by the book.",
)
INVALID_CURSOR: Final = ProblemKind(
    HTTPStatus.BAD_REQUEST,
    "invalid-cursor",
    "Invalid cursor",
    "Start again without `cursor`, and change nothing but `limit` from page to page.",
)
UNAUTHORIZED: Final = ProblemKind(
    HTTPStatus.UNAUTHORIZED,
    "unauthorized",
    "A valid token is needed",
    "Send `Authorization: Bearer <token>`. The answer is the same for a missing, wrong, expired or revoked token.",
    {"WWW-Authenticate": 'Bearer realm="feedmill"'},
)
QUOTA_EXCEEDED: Final = ProblemKind(
    HTTPStatus.TOO_MANY_REQUESTS,
    "quota-exceeded",
    "Too many requests",
    "Wait as many seconds as `Retry-After` says. The limit is the same for every token; `RateLimit-Policy` names it.",
)
NOT_FOUND: Final = ProblemKind(
    HTTPStatus.NOT_FOUND, "not-found", "Not found", "Check the path and the id; `/docs` lists all paths."
)
METHOD_NOT_ALLOWED: Final = ProblemKind(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "method-not-allowed",
    "Method not allowed",
    "Everything here is read only: `GET`, and `HEAD` for the headers alone.",
    {"Allow": "GET, HEAD"},
)
SLOW: Final = ProblemKind(
    HTTPStatus.REQUEST_TIMEOUT,
    "request-timeout",
    "The request took too long to come",
    "Send the whole request at once.",
)
BODY_REFUSED: Final = ProblemKind(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "content-too-large",
    "No content is expected",
    "Send the request without a body.",
    {"Connection": "close"},
)
AMBIGUOUS: Final = ProblemKind(
    HTTPStatus.CONFLICT,
    "ambiguous-id",
    "The id exists on several platforms",
    "Ask again with `?platform=`, one of the listed `platforms`.",
)
GONE: Final = ProblemKind(
    HTTPStatus.GONE,
    "position-gone",
    "These changes are kept no longer",
    "Read the whole catalogue anew (`/offers`), and then the changes from the id on that `detail` names.",
)
TOO_LONG: Final = ProblemKind(
    HTTPStatus.REQUEST_URI_TOO_LONG, "uri-too-long", "Address too long", "Shorten the address to 4,096 bytes."
)
HEADERS_TOO_LARGE: Final = ProblemKind(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers-too-large",
    "Headers too large",
    "Send fewer or shorter headers: at most 100, with the address 20,480 bytes.",
)
INVALID_PARAMETERS: Final = ProblemKind(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid-parameters",
    "Invalid parameters",
    "`errors` names each parameter and what is wrong with it; an unknown name is refused, not ignored.",
)
INTERNAL: Final = ProblemKind(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal",
    "Internal error",
    "The log has the cause under the `request_id`.",
)
TIMEOUT: Final = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "query-timeout",
    "The query took too long",
    "Narrow it with a filter, or try again later.",
    {"Retry-After": "5"},
)
UNAVAILABLE: Final = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Not available now", "Try again later.", {"Retry-After": "5"}
)
TOO_MANY_STREAMS: Final = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-streams",
    "Too many clients follow the changes",
    "Try again later, or read `/changes`.",
    {"Retry-After": "30"},
)
TOO_MANY_CONNECTIONS: Final = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-connections",
    "Too many requests are being answered",
    "Try again later, and keep connections for further requests.",
    {"Retry-After": "1"},
)
TOO_MANY_EXPORTS: Final = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-exports",
    "Too many exports run already",
    "Try again when one has ended; `/offers` answers meanwhile.",
    {"Retry-After": "30"},
)
FORMAT_MISSING: Final = ProblemKind(
    HTTPStatus.NOT_IMPLEMENTED,
    "format-missing",
    "The format is not installed",
    "Ask for another `format`, or let the operator install `feedmill-gateway[parquet]`.",
)
KINDS: Final[Mapping[type[Exception], ProblemKind]] = {
    BodyRefusedError: BODY_REFUSED,
    HeadersTooLargeError: HEADERS_TOO_LARGE,
    SlowRequestError: SLOW,
    MalformedRequestError: MALFORMED,
    TooLongError: TOO_LONG,
    UnauthorizedError: UNAUTHORIZED,
    LimitedError: QUOTA_EXCEEDED,
    InvalidParametersError: INVALID_PARAMETERS,
    InvalidCursorError: INVALID_CURSOR,
    PositionGoneError: GONE,
    NotFoundError: NOT_FOUND,
    AmbiguousIdError: AMBIGUOUS,
    QueryTimeoutError: TIMEOUT,
    TooManyStreamsError: TOO_MANY_STREAMS,
    TooManyExportsError: TOO_MANY_EXPORTS,
    FormatMissingError: FORMAT_MISSING,
    TooManyConnectionsError: TOO_MANY_CONNECTIONS,
    UnavailableError: UNAVAILABLE,
}
_BY_STATUS: Final = {kind.status: kind for kind in (MALFORMED, NOT_FOUND, METHOD_NOT_ALLOWED)}
ALL_KINDS: Final = tuple({kind.name: kind for kind in (*KINDS.values(), METHOD_NOT_ALLOWED, INTERNAL)}.values())


_MESSAGES: Final = {
    UNAUTHORIZED.name: "Unauthorized",
    NOT_FOUND.name: "Source not found",
    INVALID_PARAMETERS.name: "Validation failed",
    INTERNAL.name: "Internal server error",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One answer that is an error."""

    kind: ProblemKind
    body: bytes
    headers: Mapping[str, str]
    media_type: str = PROBLEM_JSON


def problem(error: Exception, *, request_id: str) -> Problem:
    """Return the answer for an error; one that is not ours becomes a 500 that tells nothing."""
    kind = _kind(error)
    content: dict[str, object] = {"type": kind.type, "title": kind.title, "status": kind.status.value}
    if kind is not INTERNAL:
        content["detail"] = kind.advice.replace("`", "") if isinstance(error, HTTPException) else str(error)
    if isinstance(error, InvalidParametersError):
        content["errors"] = [{"name": fault.name, "reason": fault.reason} for fault in error.faults]
    if isinstance(error, AmbiguousIdError):
        content["platforms"] = list(error.platforms)
    content["request_id"] = request_id
    return Problem(kind, json.dumps(content, ensure_ascii=False).encode(), {**kind.headers, **_own_headers(error)})


def autoapi_problem(error: Exception) -> Problem:
    """Return the answer for an error in the words of auto-api's contract: `{"message": …}`."""
    kind = _kind(error)
    content: dict[str, object] = {"message": autoapi_message(kind)}
    if isinstance(error, NotFoundError):
        content["message"] = str(error)
    if isinstance(error, InvalidParametersError):
        content["errors"] = [f"invalid {fault.name}: {fault.reason}" for fault in error.faults]
    return Problem(
        kind,
        json.dumps(content, ensure_ascii=False).encode(),
        {**kind.headers, **_own_headers(error)},
        "application/json",
    )


def autoapi_message(kind: ProblemKind) -> str:
    """Return what auto-api's contract says of a kind."""
    return _MESSAGES.get(kind.name, kind.title)


def _own_headers(error: Exception) -> Mapping[str, str]:
    if isinstance(error, LimitedError):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    return {}


def _kind(error: Exception) -> ProblemKind:
    if isinstance(error, HTTPException):
        return _BY_STATUS.get(HTTPStatus(error.status_code), INTERNAL)
    return next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), INTERNAL)
