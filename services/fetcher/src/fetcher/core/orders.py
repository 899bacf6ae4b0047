"""What people may order from the management console, and how an order is read.

An order is the body of a message: JSON such as `{"command": "daily-update", "platform": "che168"}`, or the bare word
`pause`. The platform may also stand in the routing key: `fetcher.che168` instead of `fetcher.command`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from common.events import PLATFORM_PATTERN
from fetcher.core.errors import OrderError

LONGEST_ORDER: Final = 4096
EVERYONE: Final = "command"
"""Second word of the routing key of an order that names no platform: `fetcher.command`."""

_NO_PLATFORM: Final = frozenset({EVERYONE, "commands"})
"""The second is what the console puts in on the page of the queue."""


class CommandName(StrEnum):
    """What can be ordered, by the names of the command line where it has them."""

    PAUSE = "pause"
    RESUME = "resume"
    STATUS = "status"
    INITIAL_LOAD = "initial-load"
    DAILY_UPDATE = "daily-update"
    SHOP_SYNC = "shop-sync"
    RETRY_GAPS = "retry-gaps"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class Order:
    """One order.

    Attributes:
        command: What to do.
        platform: For whom; None: for all whom it concerns.
        options: Keyword arguments of the job.
    """

    command: CommandName
    platform: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a whole number from 1 on is expected")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is expected")  # noqa: TRY004 - all of these become one OrderError
    return value


def _day(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueError("a date such as 2026-11-21 is expected")  # noqa: TRY004 - as above
    return date.fromisoformat(value)


OPTIONS: Final[dict[CommandName, dict[str, Callable[[Any], Any]]]] = {
    CommandName.INITIAL_LOAD: {"max_pages": _number, "again": _flag},
    CommandName.DAILY_UPDATE: {"max_dates": _number, "since": _day},
    CommandName.SHOP_SYNC: {"force": _flag},
    CommandName.RECONCILE: {"force": _flag},
}
"""What a command takes beside its platform, and how each is read."""
_KEY: Final = re.compile(rf"fetcher\.({PLATFORM_PATTERN})")
_NAMES: Final = ", ".join(CommandName)
_EXAMPLE: Final = '{"command": "daily-update", "platform": "che168"}'


def dated(options: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """Return the options of an order of this moment: what it begins anew goes on after an interruption."""
    return {**options, "again": now if options["again"] else None} if "again" in options else options


def read_order(body: bytes, routing_key: str) -> Order:
    """Return the order in a message.

    Raises:
        OrderError: It is none; the text says what would be one.
    """
    fields = _fields(body)
    command = _command(fields.pop("command", None))
    platform = _platform(fields.pop("platform", None) or fields.pop("shop", None), routing_key)
    known = OPTIONS.get(command, {})
    options = {}
    for name, value in fields.items():
        if name not in known:
            allowed = ", ".join(["platform", *known])
            raise OrderError(f"{command}: unknown field {name[:40]!r}; known: {allowed}")
        try:
            options[name] = known[name](value)
        except ValueError as error:
            raise OrderError(f"{command}: {name}: {error}") from error
    return Order(command, platform, options)


def _fields(body: bytes) -> dict[str, Any]:
    if len(body) > LONGEST_ORDER:
        raise OrderError(f"longer than {LONGEST_ORDER} bytes")
    try:
        text = body.decode().strip()
        found = json.loads(text) if text.startswith(("{", "[", '"')) else text
    except (ValueError, RecursionError) as error:
        raise OrderError("neither JSON nor a word; an order looks like " + _EXAMPLE) from error
    if isinstance(found, str):
        return {"command": found}
    if not isinstance(found, dict):
        raise OrderError("an object is expected, such as " + _EXAMPLE)
    return found


def _command(value: Any) -> CommandName:
    try:
        return CommandName(str(value).strip().lower())
    except ValueError as error:
        said = "no command" if not value else f"unknown command {str(value)[:40]!r}"
        raise OrderError(f"{said}; known: {_NAMES}") from error


def _platform(value: Any, routing_key: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise OrderError("platform: a name is expected")
    match = _KEY.fullmatch(routing_key)
    named = match[1] if match and match[1] not in _NO_PLATFORM else None
    if value and named and value != named:
        raise OrderError(f"the message names {value[:40]}, its routing key {named}")
    return value or named
