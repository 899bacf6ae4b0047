"""What can go wrong while fetching.

FeedmillError
├── UnavailableError          broker or database away for now; the call is made again
└── FetcherError
    ├── UpstreamError         an answer that cannot be used; `cause` decides what follows (`core.retry`)
    ├── LoadStoppedError      the load cannot go on; what is saved stays, and the next start resumes
    ├── AlreadyRunningError   another fetcher works on this platform
    ├── RunTakenOverError     the run moved under our hands; another process writes it
    ├── OrderError            a message from the console is no order that can be followed
    ├── TopologyError         the broker has no place for our messages, or we no right to send them
    └── SchemaError           the database lacks a table or a right
"""

from enum import StrEnum
from typing import Final

from common.errors import FeedmillError


class Cause(StrEnum):
    """Why an upstream's answer cannot be used; also the word that people read in logs and in the ledger."""

    BAD_REQUEST = "http_400"
    UNAUTHORIZED = "http_401"
    FORBIDDEN = "http_403"
    NOT_FOUND = "http_404"
    METHOD_NOT_ALLOWED = "http_405"
    GONE = "http_410"  # of changes: they are kept no longer from the position on that was asked for
    RATE_LIMITED = "http_429"
    BAD_GATEWAY = "http_502"
    SERVER_ERROR = "http_5xx"
    OTHER_STATUS = "http_other"
    REDIRECT = "redirect"
    NAME_NOT_FOUND = "dns"
    TLS = "tls"
    CONNECTION = "connection"
    CUT_BODY = "cut_body"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    BAD_ENCODING = "bad_encoding"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    NOT_OK = "not_ok"  # a status of its own that is not "ok", under HTTP 200
    STALLED = "stalled_cursor"


class FetcherError(FeedmillError):
    """Root of the fetcher's own errors."""


class UpstreamError(FetcherError):
    """An upstream's answer that cannot be used. Its text holds neither an address nor a key."""

    def __init__(
        self, cause: Cause, detail: str = "", *, retry_after_s: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(f"{cause}: {detail}" if detail else str(cause))
        self.cause = cause
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.status = status


KEY_REFUSED: Final = "the source refuses our key: put a right one into the settings, and start again"
"""The way out of 401 and 403."""
READ_ANEW: Final = (
    "`initial-load --again` (`make load AGAIN=1`) reads everything anew, `reconcile` after it retires what has gone"
)
"""The way out where the source keeps no longer what was not read."""


class LoadStoppedError(FetcherError):
    """The load cannot go on; what is saved stays, and the next start resumes. `cause`: an upstream's refusal."""

    def __init__(self, text: str, *, cause: Cause | None = None) -> None:
        super().__init__(text)
        self.cause = cause


class AlreadyRunningError(FetcherError):
    """Another fetcher works on this platform."""


class RunTakenOverError(FetcherError):
    """The run is no longer where this process left it; another process writes it."""


class OrderError(FetcherError):
    """A message from the console is no order that can be followed; the text is the answer to it."""


class TopologyError(FetcherError):
    """The broker has no queue or exchange for our messages, or this user may not send them."""


class SchemaError(FetcherError):
    """The database lacks a table or a right that the fetcher needs."""
