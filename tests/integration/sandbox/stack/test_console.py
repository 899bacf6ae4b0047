"""The operator sees everything in the console, changes policies there, and nothing beyond."""

from typing import Any

import aio_pika
import pytest

from common import topology
from common.clock import SystemClock
from sandbox.stack import Stack, Vhost
from sandbox.stack.management import Management

pytestmark = pytest.mark.integration

FORBIDDEN = {401, 403}


async def connections_seen(operator: Management, vhost: Vhost) -> list[dict[str, Any]]:
    """Return what the console shows within about 10 s; it collects every 5 s."""
    clock, connections = SystemClock(), []
    for _ in range(100):
        connections = operator.get("vhosts", vhost.name, "connections")
        if connections:
            break
        await clock.sleep(0.1)
    return connections


async def test_the_operator_sees_exchanges_queues_and_named_connections(stack: Stack, vhost: Vhost) -> None:
    operator = stack.broker.management("operator")
    name = topology.connection_name("fetcher", "here")
    async with await aio_pika.connect(f"{vhost.urls['fetcher']}&name={name}"):
        connections = await connections_seen(operator, vhost)
    assert {queue["name"] for queue in operator.get("queues", vhost.name)} == set(topology.QUEUES)
    assert {exchange["name"] for exchange in operator.get("exchanges", vhost.name)} >= set(topology.EXCHANGES)
    assert [connection["user_provided_name"] for connection in connections] == [name]
    assert operator.get("overview")["node"] == "feedmill@localhost"


def test_a_policy_of_the_operator_takes_effect_at_once(stack: Stack, vhost: Vhost) -> None:
    operator = stack.broker.management("operator")
    policy = {"pattern": "^normalizer[.]raw$", "apply-to": "queues", "priority": 20, "definition": {"max-length": 7}}
    operator.put("policies", vhost.name, "small", body=policy)
    query = "?disable_stats=true"
    (raw,) = [q for q in operator.get("queues", vhost.name, query=query) if q["name"] == topology.RAW_QUEUE]
    assert raw["policy"] == "small"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", ("users", "intruder"), {"password": "x", "tags": "administrator"}),
        ("PUT", ("users", "operator"), {"password": "x", "tags": "administrator"}),
        ("GET", ("users",), None),
        ("PUT", ("vhosts", "another"), {}),
        ("PUT", ("permissions", "{vhost}", "operator"), {"configure": ".*", "write": ".*", "read": ".*"}),
        ("DELETE", ("queues", "{vhost}", topology.RAW_QUEUE), None),
        ("DELETE", ("exchanges", "{vhost}", topology.RAW_EXCHANGE), None),
        ("PUT", ("queues", "{vhost}", "strange"), {"durable": True}),
        ("GET", ("definitions",), None),
        ("POST", ("definitions",), {"users": []}),
    ],
    ids=lambda value: "/".join(value) if isinstance(value, tuple) else None,
)
def test_the_operator_is_refused(stack: Stack, vhost: Vhost, method: str, path: tuple[str, ...], body: Any) -> None:
    filled = [part.format(vhost=vhost.name) for part in path]
    status, answer = stack.broker.management("operator").ask(method, *filled, body=body)
    refused = status in FORBIDDEN or "access_refused" in str(answer).lower()
    assert refused, (status, answer)


@pytest.mark.parametrize("user", ["fetcher", "normalizer", "gateway"])
def test_a_service_cannot_open_the_console(stack: Stack, user: str) -> None:
    status, _ = stack.broker.management(user).ask("GET", "overview")
    assert status in FORBIDDEN


def test_only_the_named_users_exist(stack: Stack) -> None:
    users = {user["name"] for user in stack.broker.management().get("users")}
    assert users == {*topology.USERS, "stack"}


def test_plugins_for_the_console_metrics_and_moving_messages_are_on(stack: Stack) -> None:
    (node,) = stack.broker.management("operator").get("nodes")
    wanted = {"rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_shovel", "rabbitmq_shovel_management"}
    assert wanted <= set(node["enabled_plugins"])
