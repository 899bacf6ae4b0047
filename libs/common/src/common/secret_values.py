"""The secrets among settings, in the parts in which a log line could show them."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, SecretStr


def secrets_of(block: BaseModel) -> Iterator[str]:
    """Give every secret in a block: of a URL its password and the values of its query, of the rest the whole."""
    for value in dict(block).values():
        for item in value.values() if isinstance(value, dict) else (value,):
            if isinstance(item, BaseModel):
                yield from secrets_of(item)
            elif isinstance(item, SecretStr):
                yield from _secret_parts(item.get_secret_value())


def _secret_parts(secret: str) -> Iterator[str]:
    try:
        url = urlsplit(secret)
    except ValueError:
        yield secret
        return
    if not url.netloc:
        yield secret
    if url.password:
        yield url.password
        yield unquote(url.password)
    yield from (value for _, value in parse_qsl(url.query))
