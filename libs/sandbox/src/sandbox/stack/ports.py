"""Ports on loopback: the usual one + 3000 where it is free, another where it is taken."""

import secrets
import socket
from collections.abc import Collection, Mapping
from typing import Final

from sandbox.stack.errors import StackError

PREFERRED: Final[Mapping[str, int]] = {
    "database": 8432,
    "replica": 8433,
    "amqp": 8672,
    "management": 18672,
    "prometheus": 18692,
    "distribution": 28672,
    "epmd": 7369,
    "amqp2": 8673,
    "management2": 18673,
    "prometheus2": 18693,
    "distribution2": 28673,
    "amqp3": 8674,
    "management3": 18674,
    "prometheus3": 18694,
    "distribution3": 28674,
}
"""All below the range from which the kernel takes ports for outgoing connections."""

BROKER_PORTS: Final = ("amqp", "management", "prometheus", "distribution")
"""Those of each RabbitMQ node."""

HOST: Final = "127.0.0.1"
_LOWEST, _HIGHEST, _TRIES = 10_000, 32_000, 200


def suffix(node: int) -> str:
    """Return what tells the ports and files of a RabbitMQ node from those of the first: nothing, `2` or `3`."""
    return "" if node == 1 else str(node)


def ports_of(node: int) -> set[str]:
    """Return the names of a RabbitMQ node's ports: `amqp2` and so on."""
    return {name + suffix(node) for name in BROKER_PORTS}


def is_free(port: int) -> bool:
    """Say whether a server could listen on `port` of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(preferred: int | None, taken: Collection[int] = ()) -> int:
    """Return `preferred` if it is free, otherwise a random free port that is not in `taken`.

    Raises:
        StackError: 200 random ports were all taken.
    """
    if preferred is not None and preferred not in taken and is_free(preferred):
        return preferred
    for _ in range(_TRIES):
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port between {_LOWEST} and {_HIGHEST} on {HOST}")
