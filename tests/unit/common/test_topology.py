"""The topology's names agree with the definitions file, and its passwords are hashes."""

import hashlib
import json
import re
from base64 import b64decode
from pathlib import Path

import pytest

from common import topology
from common.errors import ConfigurationError
from common.events import PageKind

pytestmark = pytest.mark.unit

DEFINITIONS = Path(__file__).resolve().parents[3] / "deploy/rabbitmq/definitions.json"
PASSWORDS = {user: f"password of {user}" for user in topology.USERS}


def template() -> topology.Definitions:
    definitions: topology.Definitions = json.loads(DEFINITIONS.read_text(encoding="utf-8"))
    return definitions


def names(section: str) -> set[str]:
    return {entry["name"] for entry in template()[section]}


def test_the_definitions_hold_exactly_the_named_parts() -> None:
    assert names("vhosts") == {topology.VHOST}
    assert names("exchanges") == set(topology.EXCHANGES)
    assert names("queues") == set(topology.QUEUES)
    assert names("users") == set(topology.USERS)


def test_every_queue_is_a_durable_quorum_queue() -> None:
    assert all(queue["durable"] and queue["arguments"] == {"x-queue-type": "quorum"} for queue in template()["queues"])


def test_every_queue_is_bounded_by_a_policy_and_only_old_answers_are_dropped_instead_of_new_ones_refused() -> None:
    for queue in topology.QUEUES:
        (policy,) = [p for p in template()["policies"] if re.search(p["pattern"], queue) and p["apply-to"] == "queues"]
        full = "drop-head" if queue == topology.EVENTS_QUEUE else "reject-publish"
        assert policy["definition"]["overflow"] == full
        assert policy["definition"].keys() & {"max-length", "max-length-bytes"}


def test_dead_letters_are_delivered_at_least_once_and_after_many_deliveries_only() -> None:
    (work,) = [policy["definition"] for policy in template()["policies"] if policy["name"] == "work"]
    assert work["dead-letter-strategy"] == "at-least-once"
    assert work["dead-letter-exchange"] == topology.DEAD_EXCHANGE
    assert work["dead-letter-routing-key"] == topology.DEAD_KEY
    assert work["delivery-limit"] == 1000


def test_what_is_kept_may_be_looked_at_as_often_as_somebody_wants() -> None:
    """A look counts as a delivery. From RabbitMQ 4 on a queue without a limit has one: 20, and the message is gone."""
    for queue in (topology.DEAD_QUEUE, topology.UNROUTED_QUEUE):
        (policy,) = [p for p in template()["policies"] if re.search(p["pattern"], queue) and p["apply-to"] == "queues"]
        assert policy["definition"]["delivery-limit"] >= 1_000_000


def test_every_part_lies_in_the_one_virtual_host() -> None:
    parts = [part for name, section in template().items() if name not in {"users", "vhosts"} for part in section]
    assert {part["vhost"] for part in parts} == {topology.VHOST}


def test_the_template_holds_no_password() -> None:
    assert [key for user in template()["users"] for key in user if "pass" in key] == []


def test_a_rendered_hash_is_salted_sha256_of_the_password() -> None:
    rendered = topology.render_definitions(template(), PASSWORDS)
    for user in rendered["users"]:
        raw = b64decode(user["password_hash"])
        assert raw[4:] == hashlib.sha256(raw[:4] + PASSWORDS[user["name"]].encode()).digest()
        assert user["hashing_algorithm"] == "rabbit_password_hashing_sha256"


def test_no_password_stands_in_what_is_rendered() -> None:
    text = json.dumps(topology.render_definitions(template(), PASSWORDS))
    assert [password for password in PASSWORDS.values() if password in text] == []


def test_the_same_passwords_render_the_same_text_and_the_template_is_left_alone() -> None:
    given = template()
    assert topology.render_definitions(given, PASSWORDS) == topology.render_definitions(given, PASSWORDS)
    assert given == template()


def test_equal_passwords_of_two_users_have_different_hashes() -> None:
    assert topology.password_hash("fetcher", "same") != topology.password_hash("gateway", "same")


@pytest.mark.parametrize(
    ("passwords", "named"),
    [
        ({**PASSWORDS, "gateway": ""}, "gateway"),
        ({user: PASSWORDS[user] for user in ("fetcher", "normalizer", "operator")}, "gateway"),
        ({**PASSWORDS, "guest": "guest"}, "guest"),
    ],
    ids=["empty", "missing", "unknown user"],
)
def test_a_password_that_fits_no_user_is_refused_by_name(passwords: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        topology.render_definitions(template(), passwords)


def test_a_copy_for_another_virtual_host_has_no_users_and_names_only_that_host() -> None:
    copy = topology.for_vhost(topology.render_definitions(template(), PASSWORDS), "other")
    assert copy["vhosts"] == [{"name": "other"}]
    assert "users" not in copy
    assert {part["vhost"] for name, section in copy.items() if name != "vhosts" for part in section} == {"other"}
    assert [len(copy[name]) for name in ("queues", "policies", "permissions")] == [5, 6, 4]


def test_names_of_keys_queues_and_connections() -> None:
    assert topology.routing_key("che168", PageKind.PAGE) == "raw.che168.page"
    assert topology.routing_key("shop", PageKind.SNAPSHOT) == "raw.shop.snapshot"
    assert topology.catalog_queue("a1") == "gateway.catalog.a1"
    assert topology.connection_name("fetcher", "vps") == "fetcher@vps"
