"""Names of the broker's parts, and the filling in of its definitions file.

`deploy/rabbitmq/definitions.json` says what exists: it is a template without passwords, loaded by the broker at its
start. Services declare nothing but the gateway's own queue; they check the rest passively. Limits, dead-lettering
and the alternate exchange are policies, so that an operator changes them in the console.

An alternate exchange changes what a publisher sees: a message to `feedmill.raw` that matches no binding is
*confirmed*, not returned, because `feedmill.unrouted` takes and keeps it. Watch the depth of that queue.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from common.errors import ConfigurationError
from common.events import PageKind

VHOST: Final = "feedmill"

RAW_EXCHANGE: Final = "feedmill.raw"
CATALOG_EXCHANGE: Final = "feedmill.catalog"
DEAD_EXCHANGE: Final = "feedmill.dead"
COMMANDS_EXCHANGE: Final = "feedmill.commands"
EVENTS_EXCHANGE: Final = "feedmill.events"
UNROUTED_EXCHANGE: Final = "feedmill.unrouted"
EXCHANGES: Final = (
    RAW_EXCHANGE,
    CATALOG_EXCHANGE,
    DEAD_EXCHANGE,
    COMMANDS_EXCHANGE,
    EVENTS_EXCHANGE,
    UNROUTED_EXCHANGE,
)

RAW_QUEUE: Final = "normalizer.raw"
DEAD_QUEUE: Final = "normalizer.raw.dead"
UNROUTED_QUEUE: Final = "feedmill.unrouted"
COMMANDS_QUEUE: Final = "fetcher.commands"
EVENTS_QUEUE: Final = "fetcher.events"
"""What the fetcher answered and did lately, for people with a console; no service reads it."""
QUEUES: Final = (RAW_QUEUE, DEAD_QUEUE, UNROUTED_QUEUE, COMMANDS_QUEUE, EVENTS_QUEUE)

DEAD_KEY: Final = "raw.dead"
"""Routing key of every message in `feedmill.dead`, whether the broker or the normalizer put it there."""

USERS: Final = ("fetcher", "normalizer", "gateway", "operator")

Definitions = dict[str, Any]
"""The JSON of a definitions file: `vhosts`, `users`, `permissions`, `exchanges`, `queues`, `bindings`, `policies`."""

_PER_VHOST: Final = ("permissions", "topic_permissions", "parameters", "policies", "queues", "exchanges", "bindings")


def routing_key(platform: str, kind: PageKind) -> str:
    """Return `raw.{platform}.{kind}`, the key of a page in `feedmill.raw`; it holds no ids."""
    return f"raw.{platform}.{kind.value}"


def catalog_key(platform: str) -> str:
    """Return `catalog.{platform}.changed`, the key of news in `feedmill.catalog`: read on in `catalog_changes`."""
    return f"catalog.{platform}.changed"


def catalog_queue(instance: str) -> str:
    """Return the name of the queue that one gateway process makes for itself."""
    return f"gateway.catalog.{instance}"


def connection_name(service: str, host: str) -> str:
    """Return what the console shows for a connection: `fetcher@host`."""
    return f"{service}@{host}"


def render_definitions(template: Definitions, passwords: Mapping[str, str]) -> Definitions:
    """Return a copy of `template` whose users have password hashes; no password stands in it.

    The same passwords give the same text, so the broker's `definitions.skip_if_unchanged` sees an unchanged file and
    leaves alone what an operator changed since. The salt therefore comes from user and password, not from chance.

    Args:
        template: Content of `deploy/rabbitmq/definitions.json`.
        passwords: One for each of its users.

    Raises:
        ConfigurationError: A user has no password or an empty one, or a password has no user; the text names the user.
    """
    named = {user["name"] for user in template["users"]}
    missing = sorted(name for name in named if not passwords.get(name))
    if missing:
        raise ConfigurationError(f"no RabbitMQ password for: {', '.join(missing)}")
    strange = sorted(set(passwords) - named)
    if strange:
        raise ConfigurationError(f"no such RabbitMQ user: {', '.join(strange)}")
    rendered = deepcopy(template)
    for user in rendered["users"]:
        user["password_hash"] = password_hash(user["name"], passwords[user["name"]])
        user["hashing_algorithm"] = "rabbit_password_hashing_sha256"
    return rendered


def for_vhost(definitions: Definitions, vhost: str) -> Definitions:
    """Return the same topology and permissions for another virtual host, without the users, who exist already."""
    copy: Definitions = {"vhosts": [{"name": vhost}]}
    for section in _PER_VHOST:
        copy[section] = [{**entry, "vhost": vhost} for entry in definitions.get(section, [])]
    return copy


def password_hash(user: str, password: str) -> str:
    """Return RabbitMQ's salted SHA-256 form: Base64 of a 4-byte salt and of SHA-256 over salt and password.

    Source: RabbitMQ's documentation, "Credentials and Passwords", Computing Password Hash.
    """
    salt = hashlib.sha256(f"{user}\0{password}".encode()).digest()[:4]
    return b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
