"""Cursors: where the next page starts, signed so that only what we gave out comes back.

A cursor is base64url of a 16-byte HMAC-SHA-256 followed by `id` or `id:key`. The HMAC covers the query's order and
conditions as well, so that a cursor of one query is refused by every other. It holds no secret and needs no state.
"""

import base64
import binascii
import hmac
from typing import Final

from gateway.core.errors import InvalidCursorError
from gateway.core.query import OfferQuery, Position

MAC_BYTES: Final = 16
_PURPOSE: Final = b"feedmill cursor 1\x00"
_REFUSED: Final = "the cursor is damaged or was given for another query"


class CursorSigner:
    """Writes and reads cursors under one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, query: OfferQuery, position: Position) -> str:
        """Return the cursor for what follows `position`."""
        payload = str(position.id) if position.key is None else f"{position.id}:{position.key}"
        body = payload.encode()
        return base64.urlsafe_b64encode(self._mac(query, body) + body).decode().rstrip("=")

    def verify(self, query: OfferQuery, cursor: str) -> Position:
        """Return the position of a cursor.

        Raises:
            InvalidCursorError: It is none of ours, damaged, or of another query.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidCursorError(_REFUSED) from error
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(query, body)):
            raise InvalidCursorError(_REFUSED)
        number, colon, key = body.decode().partition(":")
        return Position(key if colon else None, int(number))

    def _mac(self, query: OfferQuery, body: bytes) -> bytes:
        message = b"\x00".join((_PURPOSE, query.identity.encode(), body))
        return hmac.digest(self._key, message, "sha256")[:MAC_BYTES]
