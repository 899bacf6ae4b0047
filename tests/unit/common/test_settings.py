"""Settings come from four places in a fixed order, and what is wrong is named by its key, never by its value."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr

from common import settings
from common.errors import ConfigurationError
from common.settings import DatabaseSettings, PlatformSettings, Settings, load

VALUE = "S3cr3t-Value"
UNLIKE_A_PORT = {
    "RABBITMQ_URL": "amqp://h/v",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    "OTEL_TRACES_SAMPLER_ARG": "0.25",
}


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, with no setting in the environment, and leave no setting behind."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    for name in (*settings.FLAT_NAMES, *settings.OTHER_NAMES):
        os.environ.pop(name, None)
    for name in [name for name in os.environ if name.startswith(settings.OVERRIDE_PREFIX)]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


def refusal() -> str:
    """Return the text with which the settings are refused."""
    with pytest.raises(ConfigurationError) as caught:
        load(Settings)
    return str(caught.value)


def test_defaults_hold_where_nothing_is_said() -> None:
    loaded = load(Settings)
    assert loaded.database == DatabaseSettings()
    assert loaded.platforms == {"che168": PlatformSettings()}


def test_the_file_wins_over_the_default() -> None:
    Path("config.yaml").write_text("database:\n  host: from-yaml\n")
    assert load(Settings).database.host == "from-yaml"


def test_dot_env_wins_over_the_file() -> None:
    Path("config.yaml").write_text("database:\n  host: from-yaml\n  port: 6000\n")
    Path(".env").write_text("DB_HOST=from-dot-env\n")
    loaded = load(Settings).database
    assert (loaded.host, loaded.port) == ("from-dot-env", 6000)


def test_the_environment_wins_over_dot_env(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DB_HOST=from-dot-env\nDB_NAME=from-dot-env\n")
    monkeypatch.setenv("DB_HOST", "from-environment")
    loaded = load(Settings).database
    assert (loaded.host, loaded.name) == ("from-environment", "from-dot-env")


def test_a_platform_and_a_shop_of_one_name_are_refused() -> None:
    Path("config.yaml").write_text("platforms: {a: {}, b: {}}\nshops: {b: {}, c: {}}\n")
    assert refusal() == "shops.b: a platform has this name; each of the two needs one of its own"


def test_an_empty_name_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DB_HOST=from-dot-env\nDB_PORT=\n")
    monkeypatch.setenv("DB_HOST", "")
    monkeypatch.setenv("DB_USER", "")
    monkeypatch.setenv("FEEDMILL__DATABASE__NAME", "")
    loaded = load(Settings).database
    assert (loaded.host, loaded.port, loaded.user, loaded.name) == ("from-dot-env", 5432, "feedmill", "feedmill")


@pytest.mark.parametrize(("name", "path"), settings.FLAT_NAMES.items(), ids=settings.FLAT_NAMES.keys())
def test_every_short_name_reaches_its_key(name: str, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    given = UNLIKE_A_PORT.get(name, "6001")
    monkeypatch.setenv(name, given)
    if path[0] not in Settings.model_fields:
        assert load(Settings) is not None
        return
    value: object = load(Settings).model_dump()
    for part in path:
        assert isinstance(value, dict)
        value = value[part]
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    assert str(plain) == given


def test_any_key_can_be_overridden_and_wins_over_its_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "short")
    monkeypatch.setenv("FEEDMILL__DATABASE__HOST", "long")
    monkeypatch.setenv("FEEDMILL__DATABASE__POOL_SIZE", "9")
    monkeypatch.setenv("FEEDMILL__PLATFORMS__ENCAR__CURRENCY", "KRW")
    loaded = load(Settings)
    assert (loaded.database.host, loaded.database.pool_size) == ("long", 9)
    assert loaded.platforms["encar"].currency == "KRW"


def test_a_key_of_the_environment_joins_what_the_file_says_of_a_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("config.yaml").write_text("platforms:\n  che168:\n    min_interval_s: 1.5\n  encar:\n    currency: KRW\n")
    monkeypatch.setenv("CHE168_ACCESS_NAME", "acme")
    loaded = load(Settings).platforms
    assert loaded["che168"].access_name == "acme"
    assert loaded["che168"].min_interval_s == 1.5
    assert loaded["encar"].currency == "KRW"


def test_the_named_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.yaml").write_text("log:\n  level: DEBUG\n")
    monkeypatch.setenv("FEEDMILL_CONFIG", str(tmp_path / "other.yaml"))
    assert load(Settings).log.level == "DEBUG"


def test_sections_of_other_services_in_the_file_are_left_to_them() -> None:
    Path("config.yaml").write_text("gateway:\n  anything: 1\nfetcher:\nlog:\n")
    assert load(Settings).log.level == "INFO"


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("databse:\n  host: x\n", ["config.yaml", "databse"]),
        ("database:\n  hots: x\n", ["database.hots", "unknown key"]),
        ("database:\n  port: 70000\n", ["database.port", "DB_PORT", "65535"]),
        ("database:\n  port: S3cr3t-Value\n", ["database.port"]),
        ("database: S3cr3t-Value\n", ["database"]),
        ("log:\n  level: S3cr3t-Value\n", ["log.level"]),
        ("platforms:\n  che168:\n    currency: S3cr3t-Value\n", ["platforms.che168.currency"]),
        ("platforms:\n  che168:\n    access_name: S3cr3t-Value/../x\n", ["access_name", "CHE168_ACCESS_NAME"]),
        ("platforms:\n  che168:\n    day_zone: S3cr3t-Value\n", ["platforms.che168.day_zone"]),
        ("platforms:\n  che168:\n    day_zone: Europe/S3cr3t-Value\n", ["platforms.che168.day_zone"]),
        ("platforms:\n  Che168: {}\n", ["platforms.Che168"]),
        ("- database\n", ["config.yaml", "sections"]),
        ('database:\n  password: "S3cr3t-Value\n', ["config.yaml", "line"]),
        ("database: [S3cr3t-Value\n", ["config.yaml", "line"]),
        ("password: S3cr3t-Value: x\n", ["config.yaml", "line 1"]),
        ("database:\n  name: 2026-13-45\n", ["config.yaml", "line 2", "quotes"]),
        (f"database:\n  port: {'9' * 5000}\n", ["config.yaml", "line 2"]),
        ("[" * 5000, ["config.yaml", "not readable"]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_wrong_file_is_refused_by_key_without_its_value(file: str, named: list[str]) -> None:
    Path("config.yaml").write_text(file)
    text = refusal()
    assert all(word in text for word in named), text
    assert VALUE not in text


@pytest.mark.parametrize("name", ["config.yaml", ".env"])
def test_a_file_that_is_not_utf_8_is_refused_by_name(name: str) -> None:
    Path(name).write_bytes(b"DB_HOST=\xff\xfe\n")
    assert refusal().startswith(name)


def test_what_is_expected_is_said_without_words_of_the_library() -> None:
    Path("config.yaml").write_text("platforms:\n  che168:\n    day_zone: Europe/Moskow\n")
    assert refusal() == "platforms.che168.day_zone: no time zone of this name is known here"


def test_every_wrong_key_is_named_at_once() -> None:
    Path("config.yaml").write_text("database:\n  port: 0\n  pool_size: 0\n")
    text = refusal()
    assert "database.port" in text
    assert "database.pool_size" in text


def test_an_unknown_name_in_dot_env_is_refused() -> None:
    Path(".env").write_text(f"DB_HOSTNAME={VALUE}\n")
    assert refusal() == ".env: unknown key DB_HOSTNAME"


@pytest.mark.parametrize("line", [f"DB_PASSWORD: {VALUE}", f'DB_PASSWORD="{VALUE}', f"a word {VALUE}"])
def test_a_line_of_dot_env_that_cannot_be_read_is_refused_by_its_number(line: str) -> None:
    Path(".env").write_text(f"# remarks and empty lines are no fault\n\nDB_NAME=mine\n{line}\n")
    assert refusal() == ".env: line 4: NAME=value is expected"


def test_a_value_in_dot_env_that_no_environment_can_hold_is_refused_by_its_name() -> None:
    Path(".env").write_text(f"DB_PASSWORD={VALUE}\0x\n")
    assert refusal() == ".env: DB_PASSWORD: no environment can hold a NUL"


def test_what_opentelemetry_reads_itself_may_stand_in_dot_env() -> None:
    Path(".env").write_text("OTEL_EXPORTER_OTLP_TIMEOUT=3\n")
    assert load(Settings) is not None
    assert os.environ["OTEL_EXPORTER_OTLP_TIMEOUT"] == "3"


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:4318", "grpc://collector:4317", "http://", f"http://user:{VALUE}@host"]
)
def test_an_endpoint_of_traces_is_an_address_without_a_password(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    text = refusal()
    assert text.startswith("tracing.endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)")
    assert VALUE not in text


@pytest.mark.parametrize("name", sorted(settings.COMPOSE_NAMES | settings.OTHER_NAMES - {"FEEDMILL_CONFIG"}))
def test_what_compose_needs_may_stand_in_dot_env(name: str) -> None:
    Path(".env").write_text(f"{name}=1\n")
    assert load(Settings) is not None


def test_a_missing_named_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDMILL_CONFIG", "nowhere.yaml")
    assert refusal() == "FEEDMILL_CONFIG: no file nowhere.yaml"


@pytest.mark.parametrize(
    "text",
    [
        f"database: {{name: {VALUE}}}\nlog: {{}}\ndatabase: {{}}\n",
        f"log: {{}}\nrabbitmq:\n  url: {VALUE}\n  url: {VALUE}\n",
    ],
)
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    Path("config.yaml").write_text(text)
    said = refusal()
    assert re.fullmatch(r"config.yaml: not readable as YAML: line (3|4): (database|url) stands twice", said)


def test_an_unknown_section_in_an_override_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDMILL__DATABSE__HOST", VALUE)
    text = refusal()
    assert text.startswith("FEEDMILL__DATABSE__HOST: unknown section")
    assert VALUE not in text


def test_an_unknown_key_in_an_override_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDMILL__DATABASE__HOTS", VALUE)
    text = refusal()
    assert text == "database.hots: unknown key"


def test_a_section_that_is_no_object_is_refused_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDMILL__DATABASE", VALUE)
    text = refusal()
    assert "database" in text
    assert VALUE not in text


def test_a_wrong_short_name_is_refused_by_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PORT", VALUE)
    text = refusal()
    assert "DB_PORT" in text
    assert VALUE not in text


@pytest.mark.parametrize("name", ["price_field", "power_field", "registration_field", "extras_field"])
def test_a_field_without_a_name_is_refused(name: str) -> None:
    Path("config.yaml").write_text(f'platforms: {{a: {{{name}: ""}}}}\n')
    assert refusal().startswith(f"platforms.a.{name}: ")


def test_secrets_are_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DB_PASSWORD", "CHE168_API_KEY"):
        monkeypatch.setenv(name, VALUE)
    monkeypatch.setenv("RABBITMQ_URL", f"amqp://fetcher:{VALUE}@127.0.0.1/feedmill")
    loaded = load(Settings)
    for shown in (repr(loaded), str(loaded), loaded.model_dump_json(), f"{loaded.database!r}{loaded.platforms!r}"):
        assert VALUE not in shown
    assert loaded.database.password.get_secret_value() == VALUE


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(Settings).database.host = "elsewhere"


class OfTheFetcher(Settings):
    """Settings of a service."""

    service: ClassVar[str | None] = "fetcher"


def test_a_service_with_a_password_of_its_own_works_as_its_own_role() -> None:
    Path(".env").write_text(f"DB_USER=me\nDB_PASSWORD=mine\nDB_NAME=n\nDB_FETCHER_PASSWORD={VALUE}\n")
    own = load(OfTheFetcher).database
    assert (own.user, own.password.get_secret_value(), own.name) == ("feedmill_fetcher", VALUE, "n")
    operator = load(Settings).database
    assert (operator.user, operator.password.get_secret_value()) == ("me", "mine")
    assert settings.service_passwords() == {"fetcher": VALUE}


def test_a_service_without_one_works_as_the_only_user() -> None:
    Path(".env").write_text("DB_USER=me\nDB_PASSWORD=mine\nDB_GATEWAY_PASSWORD=another\n")
    assert load(OfTheFetcher).database.user == "me"
