"""Entity tags (RFC 9110 §8.8.3, §13.1.2)."""

import hashlib
import re
from typing import Final

from fastapi import Request, Response

from gateway.entrypoints.http.error_map import NOT_MODIFIED
from gateway.entrypoints.http.routes import json_response

REVALIDATED: Final = "private, no-cache"
"""A client may keep one thing and ask with its tag whether it changed; lists are never kept."""

_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def tagged_response(request: Request, body: str) -> Response:
    """Return a JSON text with its tag, or 304 where the client has it already."""
    raw = body.encode()
    etag = strong_etag(raw)
    headers = {"ETag": etag, "Cache-Control": REVALIDATED}
    if is_known(etag, request.headers.get("if-none-match")):
        return Response(status_code=NOT_MODIFIED, headers=headers)
    return json_response(raw, headers)


def strong_etag(body: bytes) -> str:
    """Return a strong tag: the same for the same bytes only."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Return whether the client's `If-None-Match` names this tag, or any (`*`)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)
