"""Make tokens: all of a request or none, and the file of plain tokens only with them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.core import tokens
from gateway.core.ports import TokenOutlet, TokenRegistry


async def issue_tokens(
    registry: TokenRegistry,
    outlet: TokenOutlet,
    *,
    count: int,
    key: bytes,
    choose: Callable[[str], str],
    description: str | None = None,
    expires_at: datetime | None = None,
    only_if_none: bool = False,
) -> Sequence[str]:
    """Return the new tokens in plain; this is the only time that they exist so.

    With `only_if_none` nothing is made, and nothing returned, when any token was ever made. The file is written
    before the commit and put in its place after it: a full disk leaves no token that nobody knows.

    Raises:
        ConfigurationError: The file cannot be written, or exists already (without `only_if_none`).
        UnavailableError: The database does not answer.
    """
    plain = [tokens.new_token(choose) for _ in range(count)]
    async with outlet.draft(plain, replace=only_if_none) as draft:
        async with registry.transaction() as transaction:
            if only_if_none and await transaction.any_exist():
                return []
            digests = [tokens.digest(token, key) for token in plain]
            await transaction.add(digests, description=description, expires_at=expires_at)
        draft.keep()
    return plain
