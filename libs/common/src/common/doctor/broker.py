"""RabbitMQ: that this user gets in and may publish where it must, what exists, who consumes, and the policies."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import aio_pika
import httpx
from aio_pika import exceptions as amqp
from aio_pika.abc import AbstractConnection

from common import topology
from common.amqp import BROKER_ERRORS, connected
from common.broker_nodes import Nodes, addresses, node_urls, with_query
from common.doctor.report import Line, error, ok, said, warning

CONSUMERS: Final = {topology.RAW_QUEUE: "normalizer", topology.COMMANDS_QUEUE: "fetcher"}
KEPT: Final = {
    topology.DEAD_QUEUE: "make replay-dead; docs/operations.md, Dead letters",
    topology.UNROUTED_QUEUE: "is a binding gone? import definitions.json again; docs/operations.md, Move it back",
}
"""Queues in which no message should lie → what to do about one."""
NEARLY_FULL: Final = 0.8
"""Of what a queue may hold; one that was full takes messages again below that."""
LIMITS: Final = {"max-length-bytes": ("message_bytes", "bytes"), "max-length": ("messages", "messages")}
"""Key of a policy → what the management API calls the same of a queue, and the unit."""
WANTED_COPIES: Final = 3
IMPORT: Final = "feedmill definitions, then rabbitmqctl import_definitions; docs/deployment.md"
SHUT_OUT: Final = (*BROKER_ERRORS, ValueError)
"""What `entered` raises; a ValueError comes of an address that is none."""
CHECKOUT: Final = "run the doctor in the checkout, or say --definitions"


@dataclass(frozen=True, slots=True)
class Console:
    """Where each node's management API is, the virtual host, and a user who may look; no password: nobody is known."""

    urls: tuple[str, ...]
    vhost: str
    user: str
    password: str | None


async def amqp_lines(url: str, template: Path, *, timeout_s: float) -> AsyncIterator[Line]:
    """Look at each node as a service does, and at what is in the broker through the first that lets us in."""
    is_known = False
    for node in node_urls(url):
        parts = urlsplit(node)
        where = f"{addresses(node)}{parts.path} as {parts.username or 'guest'}"
        try:
            connection = await entered(node, timeout_s=timeout_s)
        except SHUT_OUT as fault:
            advice = "does it run, has the vhost been imported, and is RABBITMQ_URL right?"
            yield error("broker", f"{where}: {refusal(fault)}", advice)
            continue
        async with closing(connection, timeout_s):
            transport = connection.transport
            properties = transport.connection.server_properties if transport else {}
            yield ok("broker", f"{where}: RabbitMQ {_text(properties.get('version'))}")
            if not is_known:
                user = unquote(parts.username or "")
                try:
                    async for line in _content(connection, user, template, timeout_s=timeout_s):
                        yield line
                except BROKER_ERRORS as fault:
                    advice = "look again: it went away, or somebody has closed the connection; its log says why"
                    yield error("broker", f"not looked at to the end: {said(fault)}", advice)
            is_known = True


async def entered(url: str, *, timeout_s: float) -> AbstractConnection:
    """Return a connection, made as a service makes it.

    Raises:
        SHUT_OUT: Nobody answers there, or lets this user in; `refusal` tells it.
    """
    return await connected(Nodes(with_query(url, name="doctor")), timeout_s=timeout_s)


def refusal(fault: Exception) -> str:
    """Return what a fault says; where the virtual host is shut, the library loses the broker's words."""
    is_shut = isinstance(fault, amqp.InvalidFrameError) and "Connection.OpenOk" in str(fault)
    return "the virtual host does not exist, or is shut to this user" if is_shut else said(fault)


@asynccontextmanager
async def closing(connection: AbstractConnection, timeout_s: float) -> AsyncIterator[None]:
    """Close at the end, without a word where the broker reads nothing any more, as during an alarm."""
    try:
        yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await connection.close()


async def _content(
    connection: AbstractConnection, user: str, template: Path, *, timeout_s: float
) -> AsyncIterator[Line]:
    for name in topology.EXCHANGES:
        if not await _exists(connection, "exchange", name):
            yield error(f"exchange {name}", "is missing", IMPORT)
    for name in topology.QUEUES:
        yield await _queue(connection, name)
    try:
        async with asyncio.timeout(timeout_s):
            lines = [line async for line in _rights(connection, user, template)]
    except TimeoutError:
        seen = f"not tried: the broker takes no message within {timeout_s:g} s"
        lines = [warning("broker rights", seen, "end the alarm of its node, which holds publishers back")]
    for line in lines:
        yield line


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def _exists(connection: AbstractConnection, kind: str, name: str) -> Any:
    channel = await connection.channel()
    try:
        declare = channel.declare_queue if kind == "queue" else channel.declare_exchange
        return await declare(name, passive=True)
    except amqp.ChannelClosed:
        return None
    finally:
        if not channel.is_closed:
            await channel.close()


async def _queue(connection: AbstractConnection, name: str) -> Line:
    queue = await _exists(connection, "queue", name)
    what = f"queue {name}"
    if queue is None:
        return error(what, "is missing", IMPORT)
    result = queue.declaration_result
    seen = f"messages {result.message_count}, consumers {result.consumer_count}"
    if name in CONSUMERS and not result.consumer_count:
        return warning(what, seen, f"no {CONSUMERS[name]} reads it: start it, and look at its log")
    if name in KEPT and result.message_count:
        return warning(what, seen, KEPT[name])
    return ok(what, seen)


async def _rights(connection: AbstractConnection, user: str, template: Path) -> AsyncIterator[Line]:
    wanted = _template(template)
    if not wanted:
        yield warning("broker rights", f"no {template}", CHECKOUT)
        return
    permissions = [entry for entry in wanted.get("permissions", []) if entry["user"] == user]
    if not permissions:
        yield warning(
            "broker rights", f"{user} is none of {', '.join(topology.USERS)}", "give each service its own user"
        )
        return
    needed = {name for name in topology.EXCHANGES if re.search(permissions[0]["write"], name)}
    granted = {name for name in topology.EXCHANGES if await _may_publish(connection, name)}
    if needed - granted:
        yield error("broker rights", f"{user} may not publish to {', '.join(sorted(needed - granted))}", IMPORT)
    elif granted - needed:
        yield warning("broker rights", f"{user} may also publish to {', '.join(sorted(granted - needed))}", IMPORT)
    else:
        yield ok("broker rights", f"{user} may publish to {', '.join(sorted(needed)) or 'nothing'}")


async def _may_publish(connection: AbstractConnection, exchange: str) -> bool:
    """Publish in a transaction that is rolled back: rights are checked at once, and nobody gets the message."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        transaction = channel.transaction()
        await transaction.select()
        where = await channel.get_exchange(exchange, ensure=False)
        await where.publish(aio_pika.Message(b""), "doctor", mandatory=False)
        await transaction.rollback()
    except (amqp.ChannelClosed, amqp.ChannelInvalidStateError):
        return False
    await channel.close()
    return True


async def console_lines(console: Console, template: Path, *, timeout_s: float) -> AsyncIterator[Line]:
    """Look at what only the management API tells: alarms, policies, bindings, copies and room of queues."""
    if console.password is None:
        yield warning("policies", "not looked at", "set RABBITMQ_OPERATOR_PASSWORD, and RABBITMQ_CONSOLE_PORT")
        return
    vhost, faults = quote(console.vhost, safe=""), []
    paths = ("/api/nodes", *(f"/api/{what}/{vhost}" for what in ("policies", "exchanges", "queues", "bindings")))
    for url in console.urls:
        try:
            access = (console.user, console.password)
            async with httpx.AsyncClient(base_url=url, auth=access, timeout=timeout_s) as client:
                answers = [(await client.get(path)).raise_for_status().json() for path in paths]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
            faults.append(f"{url}: {said(fault)}")
            continue
        nodes, policies, exchanges, queues, bindings = answers
        wanted = _template(template)
        of_nodes = (*_alarms(nodes), *_policies(policies, wanted, template), *_copies(queues, len(nodes)))
        of_ways = (*_types(exchanges, queues, wanted), *_bindings(bindings, queues, wanted))
        for line in (*of_nodes, *_room(queues), *of_ways):
            yield line
        return
    right = "are RABBITMQ_CONSOLE_PORT and RABBITMQ_OPERATOR_PASSWORD right"
    advice = f"is rabbitmq_management enabled, {right}, and may {console.user} enter the virtual host?"
    yield warning("policies", "; ".join(faults), advice)


def _types(exchanges: list[dict[str, Any]], queues: list[dict[str, Any]], wanted: dict[str, Any]) -> Iterator[Line]:
    """Name the exchanges that pass messages on, and the queues that keep them, by other rules than ours."""
    again = f"delete it in the console, then {IMPORT}"
    types = {entry["name"]: entry["type"] for entry in wanted.get("exchanges", ())}
    yield from _other_types("exchange", exchanges, types, again)
    types = {entry["name"]: entry["arguments"]["x-queue-type"] for entry in wanted.get("queues", ())}
    yield from _other_types("queue", queues, types, f"its messages go with it: once it is empty {again}")


def _other_types(kind: str, found: list[dict[str, Any]], wanted: dict[str, str], advice: str) -> Iterator[Line]:
    types = {entry["name"]: entry["type"] for entry in found if "type" in entry}
    for name, type_ in wanted.items():
        if types.get(name, type_) != type_:
            yield error(f"{kind} {name}", f"is of type {types[name]}, not {type_}", advice)


def _bindings(found: list[dict[str, Any]], queues: list[dict[str, Any]], wanted: dict[str, Any]) -> Iterator[Line]:
    """Name the bindings that are gone, of queues that are there: messages do not come there any more."""
    bound = {(entry["source"], entry["destination"], entry["routing_key"]) for entry in found}
    present = {queue["name"] for queue in queues}
    for entry in wanted.get("bindings", ()):
        source, queue, key = entry["source"], entry["destination"], entry["routing_key"]
        if queue in present and (source, queue, key) not in bound:
            yield error(f"binding {queue}", f"{key or 'all'} of {source} does not reach it", IMPORT)


def _copies(queues: list[dict[str, Any]], nodes: int) -> Iterator[Line]:
    """Name the quorum queues that would be away with a node: who was declared before the others joined has one copy."""
    for queue in queues:
        copies = len(queue.get("members", ()))
        if queue.get("type") == "quorum" and copies < min(nodes, WANTED_COPIES):
            advice = "rabbitmq-queues grow NODE all, for each node without one; docs/operations.md, Three brokers"
            yield warning(f"queue {queue['name']}", f"{copies} of {nodes} nodes have a copy", advice)


def _room(queues: list[dict[str, Any]]) -> Iterator[Line]:
    """Name the queues that refuse messages because they hold as many as they may, or soon will."""
    for queue in queues:
        policy = queue.get("effective_policy_definition") or {}
        for key, (held, unit) in LIMITS.items() if policy.get("overflow") == "reject-publish" else ():
            number, most = queue.get(held, 0), policy.get(key)
            if most and number >= NEARLY_FULL * most:
                told = error if number >= most else warning
                advice = KEPT.get(queue["name"], "publishers wait once it is full: look at the log of who reads it")
                yield told(f"room in {queue['name']}", f"{number:,} of {most:,} {unit}", advice)


def _alarms(nodes: list[dict[str, Any]]) -> Iterator[Line]:
    for node in nodes:
        raised = [what for what in ("mem", "disk_free") if node.get(f"{what}_alarm")]
        name = f"node {node['name']}"
        if not node.get("running", True):
            yield error(name, "does not run", "look at its log; rabbitmqctl cluster_status")
        elif raised:
            yield error(name, f"alarm: {', '.join(raised)}; publishers are held back", "more memory, or a freer disk")
        else:
            yield ok(name, "no alarm")


def _policies(found: list[dict[str, Any]], told: dict[str, Any], template: Path) -> Iterator[Line]:
    wanted = {entry["name"]: entry for entry in told.get("policies", [])}
    if not wanted:
        yield warning("policies", f"no {template}", CHECKOUT)
        return
    present = {entry["name"]: entry for entry in found}
    missing = sorted(wanted.keys() - present.keys())
    if missing:
        yield error("policies", f"missing: {', '.join(missing)}", IMPORT)
    compared = ("pattern", "definition", "apply-to")
    changed = sorted(
        name for name in wanted.keys() & present.keys() if any(wanted[name][k] != present[name][k] for k in compared)
    )
    if changed:
        advice = "right if it was on purpose: then put it into deploy/rabbitmq/definitions.json too"
        yield warning("policies", f"changed since the installation: {', '.join(changed)}", advice)
    if not missing and not changed:
        yield ok("policies", f"{len(wanted)} in place")


def _template(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content
