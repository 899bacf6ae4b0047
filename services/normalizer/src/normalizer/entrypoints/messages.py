"""Reading a message body as a page of a platform that is configured here."""

from typing import Final

from common.errors import InvalidEventError
from common.events import PageFetched, decode

UNKNOWN_PLATFORM: Final = "unknown_platform"


def known_page(body: bytes, platforms: frozenset[str]) -> PageFetched:
    """Return the page.

    Raises:
        InvalidEventError: It is no event of ours, or of a platform that is not configured (`unknown_platform`).
    """
    page = decode(body)
    if page.platform not in platforms:
        raise InvalidEventError(UNKNOWN_PLATFORM, page.platform)
    return page
