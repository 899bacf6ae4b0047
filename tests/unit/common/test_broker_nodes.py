"""One URL leads to one node or to several."""

from random import Random

import pytest
from pydantic import SecretStr, ValidationError

from common.broker_nodes import Nodes, addresses, node_urls, shuffled, with_query
from common.secret_values import secrets_of
from common.settings import BrokerSettings

pytestmark = pytest.mark.unit

THREE = "amqp://u:p%40,:w@one:1,two,[::3]:3/v%2F1?heartbeat=30"


def test_every_node_has_the_user_the_virtual_host_and_the_query_of_all() -> None:
    assert node_urls(THREE) == (
        "amqp://u:p%40,:w@one:1/v%2F1?heartbeat=30",
        "amqp://u:p%40,:w@two/v%2F1?heartbeat=30",
        "amqp://u:p%40,:w@[::3]:3/v%2F1?heartbeat=30",
    )


@pytest.mark.parametrize("url", ["amqp://h", "amqps://h:1/v", "amqp://u:p@h:5672/v?name=a@b,c", "amqp://u:a@b@h/"])
def test_one_node_is_the_url_itself(url: str) -> None:
    assert node_urls(url) == (url,)


@pytest.mark.parametrize(
    "url",
    [
        *("", "h:5672/v", "http://h/v", "amqp:/h", "amqp://", "amqp:///v", "amqp://u:secret@/v"),
        *("amqp://u:secret@a,/v", "amqp://u:secret@a,,b/v", "amqp://u:secret@a:x/v", "amqp://u:secret@a:1,b:70000/v"),
        *("amqp://u:secret@a:0/v", "amqp://u:secret@[::1/v", "amqp://u:secret@a amqp://u:secret@b"),
        "amqp://u:secret@a/v,amqp://u:secret@b/v",
    ],
)
def test_what_leads_nowhere_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValidationError, match=r"amqp\[s\]://user:password@host:port\[,host:port\]/vhost") as caught:
        BrokerSettings(url=SecretStr(url))
    assert "secret" not in str(caught.value)


def test_the_password_of_a_url_with_several_nodes_is_hidden_from_logs() -> None:
    assert set(secrets_of(BrokerSettings(url=SecretStr("amqp://u:p%40w@a:1,b:2/v?x=y")))) == {"p%40w", "p@w", "y"}


def test_nodes_come_in_turn_for_ever() -> None:
    nodes = Nodes("amqp://a,b,c/v")
    assert len(nodes) == 3
    assert [nodes.following()[7] for _ in range(7)] == list("abcabca")


def test_people_read_hosts_and_ports() -> None:
    assert addresses(THREE) == "one:1,two:5672,::3:3"
    assert addresses("amqps://u:p@h/v") == "h:5671"


def test_clients_begin_at_different_nodes() -> None:
    orders = {shuffled("amqp://u:p@a:1,b:2,c:3/v?x=y", Random(seed)) for seed in range(50)}  # noqa: S311 - orders, no secret
    assert len(orders) == 6
    assert {frozenset(node_urls(order)) for order in orders} == {frozenset(node_urls("amqp://u:p@a:1,b:2,c:3/v?x=y"))}


def test_a_name_is_added_to_the_query_or_replaces_the_one_there() -> None:
    url = with_query("amqp://u:p@a,b/v%2F1?heartbeat=30&name=x", name="fetcher@host 1")
    assert url == "amqp://u:p@a,b/v%2F1?heartbeat=30&name=fetcher%40host+1"
    assert with_query("amqp://a/v", heartbeat="5") == "amqp://a/v?heartbeat=5"
    assert with_query("amqp://a", heartbeat="5") == "amqp://a?heartbeat=5"


def test_the_only_node_is_waited_for_longer_than_one_of_several() -> None:
    assert Nodes("amqp://a/v").timeout_s == 10
    assert Nodes("amqp://a,b/v").timeout_s == 5
