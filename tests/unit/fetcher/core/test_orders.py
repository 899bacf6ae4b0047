"""An order is a word or a JSON object; what is none is answered with what would be one."""

import json
from datetime import date
from typing import Any

import pytest

from fetcher.core.errors import OrderError
from fetcher.core.orders import LONGEST_ORDER, CommandName, Order, read_order


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("message", "key", "order"),
    [
        (b"pause", "fetcher.command", Order(CommandName.PAUSE)),
        (b" PAUSE\n", "fetcher.command", Order(CommandName.PAUSE)),
        (b'"resume"', "fetcher.command", Order(CommandName.RESUME)),
        (b"status", "fetcher.che168", Order(CommandName.STATUS, "che168")),
        (b"pause", "fetcher.commands", Order(CommandName.PAUSE)),
        (b"pause", "fetcher", Order(CommandName.PAUSE)),
        (b"pause", "fetcher.some.thing", Order(CommandName.PAUSE)),
        (body(command="pause"), "fetcher.command", Order(CommandName.PAUSE)),
        (body(command="daily-update", platform="che168"), "x", Order(CommandName.DAILY_UPDATE, "che168")),
        (body(command="daily-update"), "fetcher.che168", Order(CommandName.DAILY_UPDATE, "che168")),
        (body(command="pause", platform="che168"), "fetcher.che168", Order(CommandName.PAUSE, "che168")),
        (
            body(command="initial-load", platform="che168", max_pages=10, again=True),
            "fetcher.command",
            Order(CommandName.INITIAL_LOAD, "che168", {"max_pages": 10, "again": True}),
        ),
        (
            body(command="daily-update", since="2026-11-01", max_dates=3),
            "fetcher.command",
            Order(CommandName.DAILY_UPDATE, None, {"since": date(2026, 11, 1), "max_dates": 3}),
        ),
        (body(command="shop-sync", force=True), "fetcher.command", Order(CommandName.SHOP_SYNC, None, {"force": True})),
        (body(command="shop-sync", shop="bot_igor"), "fetcher.command", Order(CommandName.SHOP_SYNC, "bot_igor")),
        (body(command="retry-gaps"), "fetcher.command", Order(CommandName.RETRY_GAPS)),
        (body(command="reconcile"), "fetcher.command", Order(CommandName.RECONCILE)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_order_is_read(message: bytes, key: str, order: Order) -> None:
    assert read_order(message, key) == order


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"", "no command; known: pause, resume, status, initial-load"),
        (b"{}", "no command"),
        (b"dance", "unknown command 'dance'; known: pause"),
        (body(command=["pause"]), "unknown command"),
        (body(command={"a": 1}), "unknown command"),
        (body(command=None), "no command"),
        (b'{"command": "pause"', "neither JSON nor a word"),
        (b"\xff\xfe", "neither JSON nor a word"),
        (b'["pause"]', "an object is expected"),
        (b"[" * 4000, "neither JSON nor a word"),
        (b'"' + b"x" * LONGEST_ORDER + b'"', "longer than 4096 bytes"),
        (body(command="pause", force=True), "pause: unknown field 'force'; known: platform"),
        (body(command="shop-sync", max_pages=1), "unknown field 'max_pages'; known: platform, force"),
        (body(command="initial-load", max_pages=0), "max_pages: a whole number from 1 on"),
        (body(command="initial-load", max_pages=True), "max_pages: a whole number from 1 on"),
        (body(command="initial-load", max_pages="10"), "max_pages: a whole number from 1 on"),
        (body(command="shop-sync", force="yes"), "force: true or false"),
        (body(command="daily-update", since="yesterday"), "since: Invalid isoformat"),
        (body(command="daily-update", since=20261101), "since: a date such as"),
        (body(command="pause", platform=7), "platform: a name is expected"),
        (body(command="pause", platform="encar"), "the message names encar, its routing key che168"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_order_is_answered(message: bytes, answer: str) -> None:
    with pytest.raises(OrderError) as refused:
        read_order(message, "fetcher.che168")
    assert answer in str(refused.value)
    assert len(str(refused.value)) < 300
