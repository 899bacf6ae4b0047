"""Cursors: where the next page starts, signed so that only what we gave out comes back.

A cursor is base64url of a 16-byte HMAC-SHA-256 followed by a position. The HMAC covers the query's order and
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
_REFUSED: Final = "the cursor is damaged or was given for another query; start again without it"


class CursorSigner:
    """Writes and reads cursors under one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, query: OfferQuery, position: Position) -> str:
        """Return the cursor for what follows `position`: `id` or `id:key`."""
        return self.seal(query.identity, str(position.id) if position.key is None else f"{position.id}:{position.key}")

    def verify(self, query: OfferQuery, cursor: str) -> Position:
        """Return the position of a cursor.

        Raises:
            InvalidCursorError: It is none of ours, damaged, or of another query.
        """
        number, colon, key = self.unseal(query.identity, cursor).partition(":")
        return Position(key if colon else None, int(number))

    def seal(self, identity: str, position: str) -> str:
        """Return the cursor of a position in the list with this identity."""
        body = position.encode()
        return _text(self._mac(identity, body) + body)

    def unseal(self, identity: str, cursor: str) -> str:
        """Return the position of a cursor.

        Raises:
            InvalidCursorError: It is none of ours, damaged, or of another list.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidCursorError(_REFUSED) from error
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(identity, body)) or _text(raw) != cursor:
            raise InvalidCursorError(_REFUSED)
        return body.decode()

    def _mac(self, identity: str, body: bytes) -> bytes:
        message = b"\x00".join((_PURPOSE, identity.encode(), body))
        return hmac.digest(self._key, message, "sha256")[:MAC_BYTES]


def _text(raw: bytes) -> str:
    """Return the one text of these bytes: base64 would read others, which differ in bits that mean nothing."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
