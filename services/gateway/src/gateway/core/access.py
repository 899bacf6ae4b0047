"""Who may pass: a token is looked up once in a few seconds and its last use is written in batches."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.clock import Clock
from common.errors import FeedmillError
from common.log import fields
from gateway.core import tokens
from gateway.core.errors import UnauthorizedError
from gateway.core.guesses import GuessLimit
from gateway.core.ports import KnownToken, TokenLookup
from gateway.core.shared import shared

FLUSH_INTERVAL_S: Final = 30.0
_REFUSED: Final = "a valid token is needed: Authorization: Bearer <token>, or X-API-Key: <token>"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    token: KnownToken
    looked_up_at: float


class Access:
    """Decides on tokens.

    A valid token is remembered for `cache_ttl_s`, counted from the moment its look-up began, so a revocation takes
    effect within that time. Expiry is checked against the clock at every request. Unknown tokens are not remembered.
    """

    def __init__(self, lookup: TokenLookup, *, key: bytes, clock: Clock, cache_ttl_s: float) -> None:
        self._lookup = lookup
        self._key = key
        self._clock = clock
        self._cache_ttl_s = cache_ttl_s
        self._seen: dict[str, _Seen] = {}
        self._digests: dict[str, str] = {}
        """Of tokens that were valid once: the digest alone decides on nothing."""
        self._asking: dict[str, asyncio.Future[KnownToken | None]] = {}
        self._used_at: dict[int, datetime] = {}
        self._guesses = GuessLimit(clock)
        self._has_doubted = False

    async def admit(self, token: str | None, address: str | None = None) -> int:
        """Return the id of a valid token, sent from `address` where that is known.

        Raises:
            LimitedError: The address sent too many that were not valid; one that was valid before is looked up still.
            UnauthorizedError: No token, a malformed, unknown, expired or revoked one; the same for each.
            UnavailableError: The database does not answer, and the token is not remembered.
        """
        if token is None:
            raise UnauthorizedError(_REFUSED)
        digest = self._digests.get(token)
        if digest is None and tokens.is_well_formed(token):
            digest = tokens.digest(token, self._key)
        if address is not None and digest not in self._seen:
            self._guesses.check(address)
        known = None if digest is None else await self._known(digest)
        now = self._clock.now()
        if known is None or (known.expires_at is not None and known.expires_at <= now):
            if address is not None:
                self._guesses.failed(address)
            if digest is not None:
                self._doubt()
            raise UnauthorizedError(_REFUSED)
        if digest is not None:
            self._digests[token] = digest
        self._used_at[known.id] = now
        return known.id

    def _doubt(self) -> None:
        """Say once that the key may be wrong: under another one than that of the tokens, all of them are unknown."""
        if not self._digests and not self._has_doubted:
            self._has_doubted = True
            _log.warning(
                "a well-formed token is unknown, and none was valid so far: is SECRET_KEY the one of the tokens?"
            )

    async def _known(self, digest: str) -> KnownToken | None:
        seen = self._seen.get(digest)
        if seen is not None and self._clock.monotonic() - seen.looked_up_at < self._cache_ttl_s:
            return seen.token
        asking = self._asking.get(digest)
        if asking is None:  # of many requests at once, one asks for all
            asking = self._asking[digest] = shared(self._looked_up(digest))
            asking.add_done_callback(lambda _: self._asking.pop(digest))
        return await asyncio.shield(asking)

    async def _looked_up(self, digest: str) -> KnownToken | None:
        moment = self._clock.monotonic()
        found = await self._lookup.find(digest)
        if found is None:
            self._seen.pop(digest, None)
        else:
            self._seen[digest] = _Seen(found, moment)
        return found

    async def flush(self) -> None:
        """Write the last uses since the flush before; when that fails they are kept for the next."""
        used_at, self._used_at = self._used_at, {}
        if not used_at:
            return
        try:
            await self._lookup.mark_used(used_at)
        except FeedmillError as error:
            self._used_at = used_at | self._used_at
            _log.warning(fields("last use of tokens not written", tokens=len(used_at), error=error))

    async def keep_flushing(self) -> None:
        """Flush every `FLUSH_INTERVAL_S` until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_INTERVAL_S)
            await self.flush()
