"""A made-up history of offers as messages, and what it must leave: an oracle that shares nothing with the product."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

S0 = 1000
FIRST_LOAD = S0 - 1
ROWS_IN_PAGE = 20
FIELDS = {"new_price": "price", "km_age": "km_age"}
"""Fields of a change, and what they are in a full record."""


@dataclass(frozen=True)
class Message:
    """A body as the fetcher publishes it, with its routing key."""

    key: str
    message_id: str
    body: bytes


@dataclass(frozen=True)
class History:
    """Messages in any order, some of them twice, and the rows that they must leave."""

    messages: list[Message]
    rows: dict[str, dict[str, Any]]
    records: int


def made_up(random: Random, *, offers: int, changes: int, run: str) -> History:
    """Make a history of `offers` offers of a first load, some of which only changes know, and `changes` changes."""
    ids = [f"{run}{number}" for number in range(offers)]
    listed = [inner_id for inner_id in ids if random.random() < 0.9]
    first = [_record(inner_id, "added", FIRST_LOAD, _full(random, inner_id)) for inner_id in listed]
    later = [_change(random, random.choice(ids), S0 + number) for number in range(changes)]
    messages = [*_pages(first, "page", run), *_pages(later, "change", run)]
    messages += random.sample(messages, len(messages) // 10)
    random.shuffle(messages)
    return History(messages, _left(first + later), len(first) + len(later))


def _full(random: Random, inner_id: str) -> dict[str, Any]:
    return {
        "inner_id": inner_id,
        "mark": random.choice(["BMW", "Audi", "申龙汽车"]),
        "model": random.choice(["X5", "A4", "001"]),
        "year": random.randrange(2005, 2027),
        "price": random.randrange(1, 10**6),
        "km_age": random.randrange(10**5),
        "color": random.choice(["White", "Black"]),
    }


def _change(random: Random, inner_id: str, seq: int) -> dict[str, Any]:
    kind = random.choices(["changed", "added", "removed"], [7, 2, 1])[0]
    if kind == "added":
        return _record(inner_id, kind, seq, _full(random, inner_id))
    if kind == "removed":
        return _record(inner_id, kind, seq, None)
    names = random.sample(sorted(FIELDS), random.randrange(1, 3))
    return _record(inner_id, kind, seq, {name: random.randrange(10**6) for name in names})


def _record(inner_id: str, kind: str, seq: int, data: dict[str, Any] | None) -> dict[str, Any]:
    return {"inner_id": inner_id, "change_type": kind, "seq": seq, "source_id": str(seq), "data": data}


def _pages(records: list[dict[str, Any]], kind: str, run: str) -> list[Message]:
    messages = []
    for number, start in enumerate(range(0, len(records), ROWS_IN_PAGE), start=1):
        page = {
            "platform": "che168",
            "kind": kind,
            "run_id": f"run-{run}",
            "position": number,
            "fetched_at": f"2026-11-20T12:{number % 60:02}:00Z",
            "records": records[start : start + ROWS_IN_PAGE],
            "schema_version": 1,
            "part": 0,
        }
        name = f"che168:{kind}:{number}:run-{run}"
        messages.append(Message(f"raw.che168.{kind}", name, json.dumps(page, ensure_ascii=False).encode()))
    return messages


def _left(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Replay the records one after another, in the order in which they happened."""
    rows: dict[str, dict[str, Any]] = {}
    for record in sorted(records, key=lambda one: int(one["seq"])):
        row = rows.setdefault(
            record["inner_id"], {"data": {}, "active_status": 0, "is_complete": False, "max_seq": 0, "change_type": ""}
        )
        row["max_seq"], row["change_type"] = record["seq"], record["change_type"]
        if record["change_type"] == "added":
            row |= {"data": dict(record["data"]), "active_status": 0, "is_complete": True}
        elif record["change_type"] == "removed":
            row["active_status"] = 1
        else:
            row["data"] |= {FIELDS[name]: value for name, value in record["data"].items()}
    return rows
