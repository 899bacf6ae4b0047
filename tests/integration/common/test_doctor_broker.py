"""What the doctor sees of a broker in which somebody has been at work by hand."""

from http import HTTPStatus

import pytest

from common.definitions import TEMPLATE
from common.doctor import broker
from common.doctor.report import Level, Line
from common.topology import DEAD_EXCHANGE, DEAD_QUEUE, RAW_EXCHANGE
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration


async def found(stack: Stack, vhost: Vhost, *, port: str = "") -> list[Line]:
    """Return what the management API shows not to be well."""
    url = f"http://127.0.0.1:{port or stack.state.ports['management']}"
    console = broker.Console((url,), vhost.name, "operator", stack.state.passwords["operator"])
    lines = [line async for line in broker.console_lines(console, TEMPLATE, timeout_s=60)]
    return [line for line in lines if line.level is not Level.OK]


def change(stack: Stack, method: str, *path: str, body: object = None) -> None:
    """Change something as the broker's administrator."""
    status, answer = stack.broker.management().ask(method, *path, body=body)
    assert status < HTTPStatus.BAD_REQUEST, answer


async def test_an_exchange_of_another_type_is_named(stack: Stack, vhost: Vhost) -> None:
    assert await found(stack, vhost) == []
    place = ("exchanges", vhost.name, RAW_EXCHANGE)
    change(stack, "DELETE", *place)
    change(stack, "PUT", *place, body={"type": "fanout", "durable": True})
    lines = await found(stack, vhost)
    assert [(line.level, line.what, line.seen) for line in lines] == [
        (Level.ERROR, f"exchange {RAW_EXCHANGE}", "is of type fanout, not topic"),
        (Level.ERROR, "binding normalizer.raw", "raw.# of feedmill.raw does not reach it"),
    ]
    assert "delete it" in lines[0].advice


async def test_a_queue_of_another_type_is_named(stack: Stack, vhost: Vhost) -> None:
    place = ("queues", vhost.name, DEAD_QUEUE)
    change(stack, "DELETE", *place)
    change(stack, "PUT", *place, body={"durable": True, "arguments": {"x-queue-type": "classic"}})
    lines = await found(stack, vhost)
    assert [(line.level, line.what, line.seen) for line in lines] == [
        (Level.ERROR, f"queue {DEAD_QUEUE}", "is of type classic, not quorum"),
        (Level.ERROR, f"binding {DEAD_QUEUE}", "# of feedmill.dead does not reach it"),
    ]
    assert "delete it" in lines[0].advice


async def test_a_binding_that_is_gone_is_named(stack: Stack, vhost: Vhost) -> None:
    change(stack, "DELETE", "bindings", vhost.name, "e", DEAD_EXCHANGE, "q", DEAD_QUEUE, "%23")
    [line] = await found(stack, vhost)
    assert (line.level, line.what) == (Level.ERROR, f"binding {DEAD_QUEUE}")
    assert line.seen == "# of feedmill.dead does not reach it"
    assert "import_definitions" in line.advice


async def test_a_queue_that_is_gone_has_a_line_of_its_own_and_none_for_its_binding(stack: Stack, vhost: Vhost) -> None:
    change(stack, "DELETE", "queues", vhost.name, DEAD_QUEUE)
    assert await found(stack, vhost) == []


async def test_a_port_that_is_none_is_a_line_and_ends_nothing(stack: Stack, vhost: Vhost) -> None:
    [line] = await found(stack, vhost, port="none")
    assert (line.level, line.what) == (Level.WARNING, "policies")
    assert "RABBITMQ_CONSOLE_PORT" in line.advice
