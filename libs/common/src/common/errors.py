"""The errors that cross package borders.

FeedmillError
├── ConfigurationError   a setting is missing, unknown or out of bounds; the text names its key
├── UnavailableError     a server of ours (broker, database) does not answer now; waiting helps
├── TransferError        a dump cannot be made or taken; nothing was changed
└── InvalidEventError    a message is no event; it is dead-lettered with `reason`
"""


class FeedmillError(Exception):
    """Root of every error that this project raises on purpose."""


class ConfigurationError(FeedmillError):
    """A setting is missing, unknown or out of bounds; the text names its key and never its value."""


class UnavailableError(FeedmillError):
    """The broker or the database does not answer now; the same call may succeed later."""


class TransferError(FeedmillError):
    """A dump cannot be made or taken, and nothing was changed; the text says why and, where that is so, what helps."""


class InvalidEventError(FeedmillError):
    """A message is no event. `reason` is a short code for a header and a counter."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def exit_code_of(error: FeedmillError) -> int:
    """Return the exit code of a program that an error ends.

    2 where somebody has to set or ask otherwise, so that starting it again does not help; 1 for everything else.
    """
    return 2 if isinstance(error, ConfigurationError) else 1
