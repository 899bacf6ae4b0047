"""What the documents say of the broker's console is what `deploy/rabbitmq/definitions.json` makes."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from tests.house.tree import text, tracked

from common import definitions, topology

PAGES: Final = [path for path in tracked() if path.suffix == ".md"]
SECTION: Final = text(Path("docs/operations.md")).partition("\n## The console\n")[2].partition("\n## ")[0]
DEFINED: Final[dict[str, list[dict[str, Any]]]] = json.loads(text(definitions.TEMPLATE))
OWN_QUEUES: Final = topology.catalog_queue("")
KINDS: Final = {
    "queue": {*topology.QUEUES, OWN_QUEUES},
    "exchange": set(topology.EXCHANGES),
    "policy": {policy["name"] for policy in DEFINED["policies"]},
    "user": {*topology.USERS, "guest", "admin", "root", "feedmill"},
}
"""The last three users are Grafana's, the machine's, and that of the database and the units."""


def named(page: str, kind: str) -> set[str]:
    """Return what a page calls a queue, an exchange, a policy or a user, such as in: the queue `normalizer.raw`."""
    return set(re.findall(rf"\b{kind}\s\*{{0,2}}`([\w.-]+)`", page))


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is that."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def test_names_and_tables_are_found() -> None:
    assert named("the queue `a`, queue **`b.c`** and exchange `d`", "queue") == {"a", "b.c"}
    assert rows("x\n| queue | what |\n|---|---|\n| `a` | b |\n\n", "queue") == [["`a`", "b"]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_names_what_exists(kind: str) -> None:
    strange = {str(path): found for path in PAGES if (found := named(text(path), kind) - KINDS[kind])}
    assert strange == {}
    assert named(SECTION, kind)


def test_every_queue_is_told_of_with_the_policy_that_rules_it() -> None:
    told = {row[0].split("`")[1]: row[2].strip("`") for row in rows(SECTION, "queue")}
    assert set(told) == KINDS["queue"]
    assert told == {
        queue: policy["name"]
        for queue in told
        for policy in DEFINED["policies"]
        if policy["apply-to"] == "queues" and re.search(policy["pattern"], queue)
    }


def test_every_exchange_is_told_of_with_where_it_leads() -> None:
    told = {row[0].strip("`"): row[2] for row in rows(SECTION, "exchange")}
    assert set(told) == KINDS["exchange"]
    for binding in DEFINED["bindings"]:
        assert f"`{binding['destination']}`" in told[binding["source"]] or binding["source"] == binding["destination"]


def test_the_policy_that_is_changed_as_an_example_is_typed_as_it_is() -> None:
    (keep,) = (policy for policy in DEFINED["policies"] if policy["name"] == "keep")
    definition = keep["definition"]
    for typed in (keep["pattern"], str(keep["priority"]), definition["overflow"], str(definition["delivery-limit"])):
        assert typed in SECTION
    assert set(definition) == {"max-length-bytes", "overflow", "delivery-limit"}
    (work,) = (policy for policy in DEFINED["policies"] if policy["name"] == "work")
    assert len(work["definition"]) == 6, "the document counts them"
