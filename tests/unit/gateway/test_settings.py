"""The secret key is needed and named; the documentation is open on loopback only."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from common.errors import ConfigurationError
from common.settings import FLAT_NAMES
from gateway.core.aggregate import GRACE_S
from gateway.settings import GatewaySection, load_settings

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FLAT_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("key", [None, "", "hunter2", "x" * 31])
def test_a_missing_or_short_key_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    if key is not None:
        monkeypatch.setenv("SECRET_KEY", key)
    with pytest.raises(ConfigurationError, match="SECRET_KEY is missing or shorter than 32 characters") as caught:
        load_settings()
    assert not key or key not in str(caught.value)


def test_a_list_that_is_no_json_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x" * 32)
    monkeypatch.setenv("FEEDMILL__GATEWAY__CORS_ORIGINS", "http://localhost:3000")
    monkeypatch.setenv("FEEDMILL__GATEWAY__PORT", "6000")
    monkeypatch.setenv("FEEDMILL__LOG__LEVEL", "DEBUG")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    expected = 'gateway: FEEDMILL__GATEWAY__CORS_ORIGINS: JSON is expected, such as ["a", "b"] for a list'
    assert str(caught.value) == expected


def test_the_environment_says_where_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x" * 32)
    monkeypatch.setenv("API_HOST", "0.0.0.0")  # noqa: S104 - what a container sets; nothing listens here
    monkeypatch.setenv("API_PORT", "6000")
    settings = load_settings()
    assert (settings.gateway.host, settings.gateway.port, settings.key) == ("0.0.0.0", 6000, b"x" * 32)  # noqa: S104 - as above


def test_the_defaults_are_the_documented_address() -> None:
    assert (GatewaySection().host, GatewaySection().port) == ("127.0.0.1", 5555)


@pytest.mark.parametrize(
    ("host", "access", "is_open"),
    [
        ("127.0.0.1", "auto", True),
        ("127.0.0.9", "auto", True),
        ("::1", "auto", True),
        ("localhost", "auto", True),
        ("0.0.0.0", "auto", False),  # noqa: S104 - nothing listens here
        ("192.168.1.5", "auto", False),
        ("localhost.example", "auto", False),
        ("0.0.0.0", "open", True),  # noqa: S104 - as above
        ("127.0.0.1", "token", False),
    ],
)
def test_the_documentation_is_open_on_loopback_unless_said_otherwise(host: str, access: str, *, is_open: bool) -> None:
    assert GatewaySection.model_validate({"host": host, "docs_access": access}).docs_open is is_open
    section = GatewaySection.model_validate({"host": host, "info_access": access})
    assert (section.info_open, section.info_only_local) == (is_open, access == "auto")


def test_info_can_be_for_this_machine_alone_where_it_listens_on_all_addresses() -> None:
    section = GatewaySection.model_validate({"host": "0.0.0.0", "info_access": "local"})  # noqa: S104 - as above
    assert (section.info_open, section.info_only_local, section.docs_open) == (True, True, False)


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "cars.example", "https://cars.example/", "https://*.cars.example", "ftp://cars.example", "https://"],
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        GatewaySection.model_validate({"cors_origins": ["https://cars.example", "http://localhost:3000", origin]})


def test_a_source_is_in_the_main_database_but_for_what_its_block_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x" * 32)
    monkeypatch.setenv("DB_HOST", "main.example")
    monkeypatch.setenv("FEEDMILL__SOURCES__SOURCE_2__HOST", "second.example")
    monkeypatch.setenv("FEEDMILL__SOURCES__SOURCE_2__PASSWORD", "second password")
    settings = load_settings()
    first, second = (
        settings.sources.database_of(source, settings.database)
        for source in (settings.sources.source_1, settings.sources.source_2)
    )
    assert (first.host, first.name) == ("main.example", "feedmill")
    assert (second.host, second.name, second.password.get_secret_value()) == (
        "second.example",
        "feedmill",
        "second password",
    )
    assert settings.sources.timeout_s < second.statement_timeout_s < settings.sources.timeout_s + GRACE_S


def test_a_replica_is_the_database_at_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x" * 32)
    monkeypatch.setenv("DB_PORT", "6432")
    monkeypatch.setenv("DB_USER", "somebody")
    assert load_settings().replica is None
    monkeypatch.setenv("DB_READ_HOST", "replica.example")
    there = load_settings().replica
    assert there is not None
    assert (there.host, there.port, there.user) == ("replica.example", 6432, "somebody")
    monkeypatch.setenv("DB_READ_PORT", "7432")
    there = load_settings().replica
    assert there is not None
    assert there.port == 7432


@pytest.mark.parametrize(
    ("proxy", "client"),
    [
        ("10.1.2.3", "203.0.113.9"),
        ("::ffff:10.1.2.3", "203.0.113.9"),  # as a socket shows it that listens on both
        ("fd00::7", "203.0.113.9"),
        ("11.1.2.3", "11.1.2.3"),
        ("::ffff:11.1.2.3", "::ffff:11.1.2.3"),
    ],
)
async def test_a_trusted_proxy_names_the_client_however_the_socket_shows_its_address(proxy: str, client: str) -> None:
    section = GatewaySection.model_validate({"trusted_proxies": ["10.0.0.0/8", "fd00::/64"]})
    seen = list[str]()

    async def note(scope: Any, _receive: object, _send: object) -> None:
        seen.append(scope["client"][0])

    async def nothing(*_: object) -> Any:
        return {}

    scope = {"type": "http", "client": (proxy, 1), "headers": [(b"x-forwarded-for", b"203.0.113.9, ::ffff:10.9.9.9")]}
    await ProxyHeadersMiddleware(note, section.proxies)(scope, nothing, nothing)  # type: ignore[arg-type] # a part of a scope
    assert seen == [client]
