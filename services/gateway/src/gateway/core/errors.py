"""What can be wrong with a request, with answering it, or with beginning to.

FeedmillError (common)
├── UnavailableError            the database does not answer now (common)
└── GatewayError
    ├── MalformedRequestError   the request breaks a rule of ours before its meaning is looked at
    │   ├── BodyRefusedError    a body on a request that takes none
    │   ├── TooLongError        path and query are longer than we read
    │   ├── HeadersTooLargeError  headers are more or longer than we read
    │   └── SlowRequestError    the request did not come to its end in time
    ├── LimitedError            too many requests, or too many wrong tokens from one address
    ├── UnauthorizedError       no token, or none that is valid now
    ├── InvalidParametersError  parameters are unknown, repeated or out of bounds; names each
    ├── InvalidCursorError      the cursor is damaged or belongs to another query
    ├── PositionGoneError       changes from a position on were wanted that are kept no longer
    ├── NotFoundError           no such offer or product
    ├── AmbiguousIdError        the id exists on several platforms; names them
    ├── QueryTimeoutError       the query took longer than it may
    ├── TooManyStreamsError     as many clients follow the changes as this process serves
    ├── TooManyConnectionsError  as many requests are being answered as this process serves
    ├── TooManyExportsError     as many exports run as this process serves
    ├── FormatMissingError      the format needs a package that is not installed
    ├── BrokenOffError          an answer that had begun was not brought to its end
    ├── CannotListenError       the port is taken, or the address is none of this machine's
    └── WrongShapeError         a reference source holds something else than numbers with names
"""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import FeedmillError


class GatewayError(FeedmillError):
    """Root of the gateway's own errors."""


class MalformedRequestError(GatewayError):
    """The request breaks a rule of ours before its meaning is looked at."""


class BodyRefusedError(MalformedRequestError):
    """A body came with a request that takes none."""


class TooLongError(MalformedRequestError):
    """Path and query are longer than we read."""


class HeadersTooLargeError(MalformedRequestError):
    """Headers are more or longer than we read."""


class SlowRequestError(MalformedRequestError):
    """The request did not come to its end in time."""


class LimitedError(GatewayError):
    """The caller has no request left; `retry_after_s` says in how many seconds there is one."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("too many requests; Retry-After says when to go on")
        self.retry_after_s = retry_after_s


class UnauthorizedError(GatewayError):
    """No token, or none that is valid now; says no more than that on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One parameter and what is wrong with it; without a name, what is wrong with all of them."""

    name: str
    reason: str


class InvalidParametersError(GatewayError):
    """Parameters are unknown, repeated or out of bounds."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.name}: {fault.reason}" if fault.name else fault.reason for fault in faults))
        self.faults = tuple(faults)


class InvalidCursorError(GatewayError):
    """The cursor is damaged, or was given for other filters or another order."""


class PositionGoneError(GatewayError):
    """Changes are wanted from a position on before which they are kept no longer; the text says from where on."""


class NotFoundError(GatewayError):
    """There is no such offer or product."""


class AmbiguousIdError(GatewayError):
    """The id exists on several platforms."""

    def __init__(self, platforms: Sequence[str]) -> None:
        super().__init__(f"this id exists on several platforms, choose one: {', '.join(platforms)}")
        self.platforms = tuple(platforms)


class QueryTimeoutError(GatewayError):
    """The query took longer than it may."""


class TooManyStreamsError(GatewayError):
    """As many clients follow the changes as this process serves."""


class TooManyConnectionsError(GatewayError):
    """As many requests are being answered as this process serves."""


class TooManyExportsError(GatewayError):
    """As many exports run as this process serves."""


class FormatMissingError(GatewayError):
    """The format needs a package that is not installed; the text names it."""


class BrokenOffError(GatewayError):
    """An answer that had begun was not brought to its end; the connection is closed, so that the client knows."""


class CannotListenError(GatewayError):
    """The port is taken, or the address is none of this machine's; both may pass by themselves."""


class WrongShapeError(GatewayError):
    """A reference source holds something else than numbers with names."""
