"""What can go wrong while a batch is landed, by what helps.

NormalizerError
├── TransientError   waiting helps: connection, deadlock, serialisation, shutdown of the database
│   └── UnfitError   waiting helps once a person has helped: a table, a column or a right is missing
├── PoisonError      waiting does not help: some record of this batch can never be stored as it is
└── StalledError     a new process helps: the queue holds messages and none is delivered
"""

from common.errors import FeedmillError


class NormalizerError(FeedmillError):
    """Root of the normalizer's own errors."""


class TransientError(NormalizerError):
    """The same batch may succeed later; nothing of it was committed, or all of it was."""


class UnfitError(TransientError):
    """The database answers, but is not what this version needs; no record is to blame, and nothing was committed."""


class PoisonError(NormalizerError):
    """Some record of the batch can never be stored; nothing of the batch was committed."""


class StalledError(NormalizerError):
    """The queue holds messages and none is delivered; nothing is in hand, so ending the process loses nothing."""
