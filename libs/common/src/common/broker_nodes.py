"""The addresses of a broker of one or several nodes, in one URL: `amqp://user:password@host:port,host:port/vhost`.

Every client knows all nodes and is connected to one of them: after a loss to the next. The AMQP library takes one host,
so what it gets is the URL of one node.
"""

import re
from collections import deque
from random import Random
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

ONLY_NODE_TIMEOUT_S: Final = 10.0
"""Seconds that a broker gets to answer; a machine that is gone says nothing at all."""
NODE_TIMEOUT_S: Final = 5.0
"""The same for one of several nodes."""

_EXPECTED: Final = "amqp[s]://user:password@host:port[,host:port]/vhost is expected"
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_URL: Final = re.compile(
    r"(?P<before>amqps?://(?:[^/?#]*@)?)(?P<hosts>[^/?#@\s]*)(?P<after>(?:/(?!.*://)[^?]*)?(?:[?].*)?)"
)


class Nodes:
    """The nodes of a broker, one after another for ever, in the order of the URL.

    Args:
        url: Of all of them.

    Raises:
        ValueError: As `node_urls`.
    """

    def __init__(self, url: str) -> None:
        self._urls = deque(node_urls(url))
        self._addresses = addresses(url)

    def __str__(self) -> str:
        """Return `host:port` of each, without any password."""
        return self._addresses

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._urls)

    @property
    def timeout_s(self) -> float:
        """How long to wait for one of them."""
        return ONLY_NODE_TIMEOUT_S if len(self) == 1 else NODE_TIMEOUT_S

    def following(self) -> str:
        """Return the URL of the node whose turn it is."""
        self._urls.rotate(-1)
        return self._urls[-1]


def node_urls(url: str) -> tuple[str, ...]:
    """Return the URL of each node.

    Raises:
        ValueError: It is no such URL; the text does not quote it, because it may hold a password.
    """
    before, hosts, after = _parts(url)
    found = tuple(f"{before}{host}{after}" for host in hosts)
    for node in found:
        _check(node)
    return found


def addresses(url: str) -> str:
    """Return `host:port` of each node, separated by commas, for people.

    Raises:
        ValueError: As `node_urls`.
    """
    nodes = map(urlsplit, node_urls(url))
    return ",".join(f"{node.hostname}:{node.port or _PORTS[node.scheme]}" for node in nodes)


def shuffled(url: str, chance: Random) -> str:
    """Return the same nodes in another order, so that not all clients crowd at the first.

    Raises:
        ValueError: As `node_urls`.
    """
    before, hosts, after = _parts(url)
    return f"{before}{','.join(chance.sample(hosts, len(hosts)))}{after}"


def with_query(url: str, **values: str) -> str:
    """Return the URL with these values in its query, such as `name` and `heartbeat`.

    Raises:
        ValueError: As `node_urls`.
    """
    before, hosts, after = _parts(url)
    path, _, query = after.partition("?")
    return f"{before}{','.join(hosts)}{path}?{urlencode({**dict(parse_qsl(query)), **values})}"


def _parts(url: str) -> tuple[str, list[str], str]:
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(_EXPECTED)
    return found["before"], found["hosts"].split(","), found["after"]


def _check(node: str) -> None:
    try:
        parts = urlsplit(node)
        port = parts.port
    except ValueError:
        raise ValueError(f"a host or its port is wrong: {_EXPECTED}") from None
    if not parts.hostname or port == 0:
        raise ValueError(f"a host or its port is missing: {_EXPECTED}")
