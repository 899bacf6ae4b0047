"""What the environment, `.env` and `config.yaml` bring decides what is started."""

from pathlib import Path

import pytest

from common.errors import ConfigurationError
from sandbox.local.surroundings import look_around


@pytest.mark.parametrize(
    ("lines", "brought"),
    [
        ("", set()),
        ("DB_HOST=\nRABBITMQ_URL=\nCHE168_API_KEY=", set()),
        ("DB_HOST=127.0.0.1", {"database"}),
        ("FEEDMILL__DATABASE__HOST=db.internal", {"database"}),
        ("RABBITMQ_URL=amqp://user:word@mq.internal:5672/feedmill", {"broker"}),
        ("CHE168_API_KEY=key", set()),
        ("CHE168_ACCESS_NAME=name", set()),
        ("CHE168_API_KEY=key\nCHE168_ACCESS_NAME=name", {"upstream"}),
        ("CHE168_API_KEY=key\nCHE168_BASE_URL=http://127.0.0.1:9/api/v2/che168", {"upstream"}),
        ("CHE168_BASE_URL=http://127.0.0.1:9/api/v2/che168", {"upstream"}),
        ("SHOP_API_URL=http://127.0.0.1:9/api/products", {"shop"}),
        ("FEEDMILL__SHOPS__BOT_IGOR__URL=http://127.0.0.1:9/api/products", {"shop"}),
    ],
)
def test_only_what_is_given_is_not_started(lines: str, brought: set[str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(lines)
    around = look_around()
    found = {
        "database": around.brings_database,
        "broker": around.brings_broker,
        "upstream": around.brings_upstream,
        "shop": around.brings_shop,
    }
    assert {name for name, is_brought in found.items() if is_brought} == brought


@pytest.mark.parametrize(
    ("lines", "plays", "has"),
    [
        ("", True, True),
        ("SHOP_API_URL=http://127.0.0.1:9/api/products", False, True),
        ("CHE168_BASE_URL=http://127.0.0.1:9/api/v2/che168", False, False),
    ],
    ids=["nothing given", "a shop of one's own", "real offers only"],
)
def test_a_made_up_shop_stands_beside_made_up_offers_only(
    lines: str, *, plays: bool, has: bool, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(lines)
    around = look_around()
    assert (around.plays_shop, around.has_shop) == (plays, has)


def test_a_server_named_in_config_yaml_is_used(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("database: {host: db.internal}\ngateway: {port: 6000, read_timeout_s: 1}\n")
    around = look_around()
    assert (around.brings_database, around.database.host, around.gateway.port) == (True, "db.internal", 6000)


def test_the_environment_wins_over_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("API_PORT=6001\nSANDBOX_OFFERS=10")
    monkeypatch.setenv("API_PORT", "6002")
    around = look_around()
    assert (around.gateway.port, around.offers, around.seed) == (6002, 10, 1)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", ""),
        ("CHE168_API_KEY=key", "CHE168_API_KEY is set, but neither CHE168_ACCESS_NAME nor CHE168_BASE_URL"),
        ("CHE168_ACCESS_NAME=name", "CHE168_ACCESS_NAME is set, but not CHE168_API_KEY"),
        ("CHE168_ACCESS_NAME=name\nCHE168_API_KEY=key", ""),
        ("CHE168_BASE_URL=https://upstream.example/api/v2/che168", ""),
    ],
)
def test_half_a_credential_is_told_apart(lines: str, said: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(lines)
    assert look_around().half_a_credential == said


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.1.2.3", "10.1.2.3")])  # noqa: S104 - nothing is bound
def test_a_gateway_on_all_addresses_is_reached_on_loopback(
    host: str, reached: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_HOST", host)
    assert look_around().gateway.reachable_host == reached


@pytest.mark.parametrize(
    ("lines", "named"),
    [("NO_SUCH_NAME=1", "NO_SUCH_NAME"), ("API_PORT=many", "API_PORT"), ("SANDBOX_OFFERS=-5", "SANDBOX_OFFERS")],
)
def test_a_wrong_line_is_refused_by_its_name(lines: str, named: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(lines)
    with pytest.raises(ConfigurationError, match=named):
        look_around()
