"""docker-compose.yml and the Dockerfiles hold what no engine of this machine can try."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.house import compose
from tests.house.programs import RefusedError, shown
from tests.house.tree import ROOT, text, tracked

from common import settings
from fetcher.settings import FetcherSettings
from gateway.settings import GatewaySection
from normalizer.settings import NormalizerSection

FILE = Path("docker-compose.yml")
SERVICES = compose.services(text(FILE))
DOCKERFILES = [path for path in tracked() if path.name == "Dockerfile"]
SERVERS = {"postgres", "rabbitmq"}
WATCHERS = {"prometheus", "grafana", "jaeger"}
FOREIGN = SERVERS | WATCHERS
COMMANDS = list(compose.our_commands(SERVICES))


def planted(**changes: Any) -> dict[str, compose.Service]:
    """Return one service that keeps the rules, but for `changes`."""
    good: dict[str, Any] = {"image": "x:1.2.3", "healthcheck": {"test": ["CMD", "true"]}, "stop_grace_period": "30s"}
    return {"one": {**good, **changes}}


def test_every_service_has_a_healthcheck() -> None:
    assert compose.without_healthcheck(SERVICES) == []
    assert compose.without_healthcheck(planted(healthcheck={})) == ["one"]


def test_ports_are_bound_to_this_machine() -> None:
    assert compose.open_ports(SERVICES) == []
    assert compose.open_ports(planted(ports=["5432:5432", "127.0.0.1:1:1"])) == ["one: 5432:5432"]


def test_images_are_pinned_and_ours_carry_our_version() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert compose.loose_tags(images) == []
    assert compose.loose_tags({"a": "x:latest", "b": "x", "c": "x:1", "d": "x:1.2"}) == [
        "a: x:latest",
        "b: x",
        "c: x:1",
    ]
    version = tomllib.loads(text(Path("libs/common/pyproject.toml")))["project"]["version"]
    ours = {image for name, image in images.items() if name not in FOREIGN}
    assert {image.partition(":")[2] for image in ours} == {version}


def test_every_service_has_more_time_to_stop_than_it_takes() -> None:
    graceful = max(
        15.0,  # FastStream's own patience with running handlers
        FetcherSettings().stop_grace_s,
        NormalizerSection().stop_within_s,
        float(GatewaySection().shutdown_timeout_s),
    )
    assert compose.hasty(SERVICES, needed_s=graceful) == []
    assert compose.hasty(planted(stop_grace_period="10s"), needed_s=graceful) == ["one"]
    assert compose.seconds("1m30s") == 90


def test_every_dependency_is_gated() -> None:
    assert compose.waits_for_nobody(SERVICES) == []
    assert compose.waits_for_nobody(planted(depends_on={"one": {"condition": "service_started"}})) == ["one: one"]


def test_the_bundled_servers_can_be_left_out() -> None:
    ours = {name: service for name, service in SERVICES.items() if name not in SERVERS}
    for name, service in ours.items():
        for other in SERVERS & set(service.get("depends_on", {})):
            assert service["depends_on"][other]["required"] is False, name
    assert all(SERVICES[name]["profiles"] == [name] for name in SERVERS)
    assert all(SERVICES[name]["profiles"] == ["observability"] for name in WATCHERS)


def test_every_variable_is_known_and_documented() -> None:
    named = compose.variables(text(FILE))
    assert named - set(settings.FLAT_NAMES) - settings.COMPOSE_NAMES - settings.OTHER_NAMES == set()
    documented = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", text(Path(".env.example")), flags=re.MULTILINE))
    assert named - documented == set()
    assert compose.variables("a: ${A:-x${B}}\n# ${C}\nb: $$D $E") == {"A", "B", "E"}


def test_every_name_set_in_a_container_is_one_that_settings_read() -> None:
    for name, service in SERVICES.items():
        if name in FOREIGN:
            continue
        allowed = set(settings.FLAT_NAMES) | settings.COMPOSE_NAMES | settings.OTHER_NAMES
        strange = {key for key in service.get("environment", {}) if not key.startswith(settings.OVERRIDE_PREFIX)}
        assert strange - allowed == set(), name


def test_mounted_files_exist() -> None:
    assert compose.missing_sources(SERVICES, ROOT) == []
    assert compose.missing_sources(planted(volumes=["./nowhere:/x", "named:/y"]), ROOT) == ["./nowhere"]


def parsed(words: list[str]) -> str:
    """Run a command of ours with `--help` behind it; return what it printed."""
    return shown(words[0], *(compose.interpolated(word, {}) for word in words[1:]), "--help")


@pytest.mark.parametrize(("service", "words"), COMMANDS, ids=[f"{name}:{words[0]}" for name, words in COMMANDS])
def test_every_command_of_ours_exists_and_is_understood(service: str, words: list[str]) -> None:
    help_text = parsed(words)
    assert help_text.startswith(f"usage: {words[0]}"), service
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [option for option in options if option not in help_text] == []


def test_the_check_of_commands_can_fail() -> None:
    assert len(COMMANDS) > len(SERVICES)
    with pytest.raises(RefusedError):
        parsed(["fetcher", "no-such-command"])


@pytest.mark.parametrize(
    ("value", "environment", "filled"),
    [
        ("${A:-b}", {}, "b"),
        ("${A:-b}", {"A": "c"}, "c"),
        ("${A:-x${B:-y}z}", {}, "xyz"),
        ("${A:-x${B:-y}z}", {"B": "q"}, "xqz"),
        ("${A}$$B", {"A": ""}, "$B"),
        ("${A:-${B:+c}}", {"A": "a", "B": "b"}, "a"),
        ("${A:-${B:+c}}", {"B": "b"}, "c"),
        ("${A:-${B:+c}}", {}, ""),
    ],
)
def test_interpolation_is_that_of_compose(value: str, environment: Mapping[str, str], filled: str) -> None:
    assert compose.interpolated(value, environment) == filled


@pytest.mark.parametrize("service", ["fetcher", "normalizer"])
def test_each_service_uses_its_own_broker_user_unless_told_otherwise(service: str) -> None:
    url = SERVICES[service]["environment"]["RABBITMQ_URL"]
    own = {f"RABBITMQ_{service.upper()}_PASSWORD": "abc"}
    assert compose.interpolated(url, own) == f"amqp://{service}:abc@rabbitmq:5672/feedmill"
    assert compose.interpolated(url, {"RABBITMQ_URL": "amqp://mine/x", **own}) == "amqp://mine/x"


@pytest.mark.parametrize(("base", "key"), [("", ""), ("http://upstream:8168/api/v2/che168", "sandbox-key")])
def test_fetcher_and_stand_in_agree_on_the_key(base: str, key: str) -> None:
    environment = {"CHE168_BASE_URL": base}
    sent = compose.interpolated(SERVICES["fetcher"]["environment"]["CHE168_API_KEY"], environment)
    wanted = [compose.interpolated(word, environment) for word in SERVICES["upstream"]["command"]]
    assert sent == key
    assert f"--api-key={key or 'sandbox-key'}" in wanted


@pytest.mark.parametrize("service", ["fetcher", "normalizer", "gateway"])
def test_each_service_is_told_the_password_of_its_own_role_and_no_other(service: str) -> None:
    names = [f"DB_{name}PASSWORD" for name in ("", "FETCHER_", "NORMALIZER_", "GATEWAY_")]
    passwords = {name: f"of {name}" for name in names}
    own = f"DB_{service.upper()}_PASSWORD"
    found = {key: str(value) for key, value in SERVICES[service]["environment"].items()}
    told = {key: compose.interpolated(value, passwords) for key, value in found.items() if key in names}
    assert told == {"DB_PASSWORD": passwords[own], own: passwords[own]}
    one_user = {"DB_USER": "me", "DB_PASSWORD": "mine"}
    told = {key: compose.interpolated(value, one_user) for key, value in found.items() if key.startswith("DB_")}
    assert (told["DB_USER"], told["DB_PASSWORD"], told[own]) == ("me", "mine", "")


def test_the_doctor_is_told_no_password_with_which_it_might_do_more_than_look() -> None:
    told = SERVICES["doctor"]["environment"]
    roles = {f"DB_{name}_PASSWORD" for name in ("FETCHER", "NORMALIZER", "GATEWAY")}  # may less than the owner
    assert {name: compose.interpolated(told[name], {name: "known"}) for name in roles} == dict.fromkeys(roles, "known")
    assert not [value for value in map(str, told.values()) if re.search(r"RABBITMQ_(FETCHER|NORMALIZER)", value)]


def test_only_those_who_administer_are_told_the_owners_password() -> None:
    told = {
        name
        for name, service in SERVICES.items()
        if compose.interpolated(str(service.get("environment", {}).get("DB_PASSWORD", "")), {"DB_PASSWORD": "owner's"})
        and not any(key in service["environment"] for key in ("RABBITMQ_URL", "API_PORT"))
    }
    assert told == {"migrate", "tokens", "transfer"}


def test_every_container_gives_up_rights_and_writable_files() -> None:
    assert compose.mighty(SERVICES) == []
    assert all(service["init"] is True for service in SERVICES.values())
    assert {name: SERVICES[name]["user"] for name in SERVERS} == {"postgres": "postgres", "rabbitmq": "rabbitmq"}
    good = {name: SERVICES["gateway"][name] for name in ("read_only", "cap_drop", "security_opt", "tmpfs")}
    for name in good:
        assert compose.mighty(planted(**{**good, name: None})) == [f"one: {name}"]
    assert compose.mighty(planted(**good, privileged=True)) == ["one: privileged"]
    assert [compose.mighty(planted(**good, user=user)) for user in ("0:0", "root", "me")] == [["one: user"]] * 2 + [[]]


@pytest.mark.parametrize("path", DOCKERFILES, ids=str)
def test_images_are_built_from_pinned_parts_and_run_without_rights(path: Path) -> None:
    content = text(path)
    stages = re.findall(r"^FROM (\S+)", content, flags=re.MULTILINE)
    assert len(stages) == 2
    assert compose.loose_tags({str(path): stage for stage in stages}) == []
    assert "--require-hashes" in content
    assert re.search(r"^USER (?!0|root)\S+$", content, flags=re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(\S+)", content, flags=re.MULTILINE):
        assert (ROOT / source).exists(), source


def test_every_image_of_ours_has_its_dockerfile() -> None:
    built = {service["build"]["dockerfile"] for name, service in SERVICES.items() if name not in FOREIGN}
    assert built == {str(path) for path in DOCKERFILES}
