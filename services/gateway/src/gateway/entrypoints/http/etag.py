"""Entity tags (RFC 9110 §8.8.3, §13.1.2)."""

import hashlib
import re
from typing import Final

_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def strong_etag(body: str) -> str:
    """Return a strong tag: the same for the same bytes only."""
    return f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Return whether the client's `If-None-Match` names this tag, or any (`*`)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)
