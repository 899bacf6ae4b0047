"""Ports: the preferred one, unless somebody has it."""

import socket

import pytest

from sandbox.stack import ports

pytestmark = pytest.mark.unit


def test_a_free_preferred_port_is_taken() -> None:
    free = ports.choose(None)
    assert ports.choose(free) == free


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - somebody else's server may listen there
def test_a_port_on_which_somebody_listens_is_replaced(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        taken = server.getsockname()[1]
        assert not ports.is_free(taken)
        assert ports.choose(taken) != taken


def test_a_port_promised_to_another_server_is_replaced() -> None:
    free = ports.choose(None)
    assert ports.choose(free, taken=[free]) != free


def test_preferred_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    assert len(set(ports.PREFERRED.values())) == len(ports.PREFERRED)
    assert max(ports.PREFERRED.values()) < 32_768
