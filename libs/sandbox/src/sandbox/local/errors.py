"""The one error of the launcher."""

from common.errors import FeedmillError


class LocalError(FeedmillError):
    """Something could not be started, loaded or asked; the text is one line for people."""
