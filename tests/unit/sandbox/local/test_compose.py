"""With a Docker engine everything goes through Compose; a stand-in for `docker` notes what it is asked."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.local.compose import ComposeRuntime, engine_answers
from sandbox.local.errors import LocalError
from sandbox.local.state import LocalFolder
from sandbox.local.surroundings import Surroundings

DOCKER = """#!/usr/bin/python3
import json, os, pathlib, sys
names = [n for n in os.environ if n.startswith(("COMPOSE", "API", "RABBITMQ", "SECRET", "DB", "CHE168", "SHOP"))]
with open("calls", "a") as calls:
    calls.write(json.dumps([sys.argv[1:], {n: os.environ[n] for n in names}]) + "\\n")
answers = json.loads(pathlib.Path("answers").read_text()) if os.path.exists("answers") else {}
for word, (code, out, err) in answers.items():
    if word in sys.argv:
        print(out)
        print(err, file=sys.stderr)
        sys.exit(code)
"""
NAMES = ("FETCHER", "NORMALIZER", "GATEWAY", "OPERATOR")


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A folder for PATH with a docker in it."""
    path = tmp_path / "bin" / "docker"
    path.parent.mkdir()
    path.write_text(DOCKER)
    path.chmod(0o755)
    return path.parent


@pytest.fixture
def given(docker: Path, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    monkeypatch.setenv("PATH", f"{docker}:/usr/bin:/bin")
    return replace(surroundings, environment={"PATH": f"{docker}:/usr/bin:/bin"})


def answer(**answers: tuple[int, str, str]) -> None:
    Path("answers").write_text(json.dumps(answers))


def calls(word: str) -> list[tuple[list[str], dict[str, str]]]:
    """Return arguments and environment of each call of `docker compose` with `word` among its arguments."""
    lines = [json.loads(line) for line in Path("calls").read_text().splitlines()]
    return [(arguments[1:], environment) for arguments, environment in lines if word in arguments]


@pytest.mark.parametrize(
    ("failing", "expected"),
    [((), True), (("info",), False), (("version",), False)],
    ids=["engine and Compose", "no engine", "no Compose"],
)
def test_compose_is_chosen_only_where_engine_and_plugin_answer(
    failing: tuple[str, ...], *, expected: bool, given: Surroundings
) -> None:
    answer(**dict.fromkeys(failing, (1, "", "cannot")))
    assert engine_answers(given.environment) is expected


def test_without_docker_there_is_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not engine_answers({"PATH": str(tmp_path)})


def test_the_fetcher_is_started_last_and_by_itself(given: Surroundings, folder: LocalFolder, tmp_path: Path) -> None:
    ComposeRuntime(tmp_path, folder, given).start_fetcher()
    ((words, _),) = calls("up")
    assert words == ["up", "--detach", "--build", "--wait", "fetcher"]


def test_up_waits_for_the_services_and_makes_passwords_once(
    given: Surroundings, folder: LocalFolder, tmp_path: Path
) -> None:
    runtime = ComposeRuntime(tmp_path, folder, given)
    runtime.start()
    runtime.start()
    (words, first), (_, second) = calls("up")
    assert words == ["up", "--detach", "--build", "--wait", "normalizer", "gateway", "upstream"]
    assert first == second
    assert first["COMPOSE_PROFILES"] == "postgres,rabbitmq,sandbox"
    assert first["CHE168_BASE_URL"] == "http://upstream:8168/api/v2/che168"
    assert first["CHE168_API_KEY"] == "sandbox"  # what the stand-in asks for and what the fetcher sends
    assert first["SHOP_API_URL"] == "http://upstream:8168/api/products"
    secrets = [first[name] for name in (*(f"RABBITMQ_{name}_PASSWORD" for name in NAMES), "SECRET_KEY", "DB_PASSWORD")]
    assert all(secret.isalnum() and len(secret) >= 32 for secret in secrets)
    assert len(set(secrets)) == 6
    assert stat.S_IMODE((folder.path / "up.json").stat().st_mode) == 0o600


def test_what_the_environment_brings_is_left_out(given: Surroundings, folder: LocalFolder, tmp_path: Path) -> None:
    environment = {**given.environment, "DB_HOST": "db", "SECRET_KEY": "k" * 40, "RABBITMQ_OPERATOR_PASSWORD": "mine"}
    brought = replace(given, environment=environment, brings_database=True, brings_upstream=True)
    ComposeRuntime(tmp_path, folder, brought).start()
    ((words, variables),) = calls("up")
    assert words[-2:] == ["normalizer", "gateway"]
    assert variables["COMPOSE_PROFILES"] == "rabbitmq"
    assert (variables["SECRET_KEY"], variables["RABBITMQ_OPERATOR_PASSWORD"]) == ("k" * 40, "mine")
    assert not variables.keys() & {"DB_PASSWORD", "CHE168_BASE_URL", "SHOP_API_URL"}


def test_the_printed_tokens_are_kept_in_a_private_file(
    given: Surroundings, folder: LocalFolder, tmp_path: Path
) -> None:
    answer(tokens=(0, "abcdefghijkl0123\nABCDEFGHIJKL0123\n[INFO] tokens made count=2", ""))
    ComposeRuntime(tmp_path, folder, given).make_tokens(2, only_if_none=True, description="for you")
    ((words, _),) = calls("run")
    assert words[:6] == ["run", "--rm", "--no-TTY", "tokens", "gateway", "tokens"]
    assert words[6:] == ["create", "--count", "2", "--description", "for you", "--if-none"]
    assert folder.tokens.read_text() == "abcdefghijkl0123\nABCDEFGHIJKL0123\n"
    assert stat.S_IMODE(folder.tokens.stat().st_mode) == 0o600


def test_when_no_token_is_made_the_file_stays(given: Surroundings, folder: LocalFolder, tmp_path: Path) -> None:
    folder.tokens.write_text("abcdefghijkl0123\n")
    answer(tokens=(0, "[INFO] there are tokens already, none made", ""))
    ComposeRuntime(tmp_path, folder, given).make_tokens(20, only_if_none=True, description="for you")
    assert folder.tokens.read_text() == "abcdefghijkl0123\n"


@pytest.mark.parametrize("form", ["lines", "array"])
def test_the_states_of_containers_are_read_in_both_forms_of_compose(
    form: str, given: Surroundings, folder: LocalFolder, tmp_path: Path
) -> None:
    rows = [
        {"Service": "gateway", "State": "running", "Health": "healthy"},
        {"Service": "normalizer", "State": "running", "Health": "starting"},
        {"Service": "upstream", "State": "exited", "Health": ""},
    ]
    answer(ps=(0, json.dumps(rows) if form == "array" else "\n".join(json.dumps(row) for row in rows), ""))
    conditions = ComposeRuntime(tmp_path, folder, given).conditions()
    assert [(one.name, one.is_ready) for one in conditions] == [
        ("gateway", True),
        ("normalizer", False),
        ("upstream", False),
    ]


def test_a_dump_is_written_by_a_container_to_the_folder_that_was_named(
    given: Surroundings, folder: LocalFolder, tmp_path: Path
) -> None:
    taking = ComposeRuntime(tmp_path, folder, given).transfer("restore", tmp_path / "dumps" / "one", "--force")
    words = ["run", "--rm", "--build", f"--user={os.getuid()}:{os.getgid()}", f"--volume={tmp_path}/dumps:/dumps"]
    assert taking.words == ["docker", "compose", *words, "transfer", "feedmill", "restore", "/dumps/one", "--force"]


def test_services_can_be_stopped_and_the_database_started_for_a_dump_to_be_taken(
    given: Surroundings, folder: LocalFolder, tmp_path: Path
) -> None:
    runtime = ComposeRuntime(tmp_path, folder, given)
    runtime.start_database()
    runtime.stop_services()
    assert [words for words, _ in calls("up")] == [["up", "--detach", "--wait", "postgres"]]
    assert [words for words, _ in calls("stop")] == [["stop", "fetcher", "normalizer", "gateway"]]
    Path("calls").unlink()
    ComposeRuntime(tmp_path, folder, replace(given, brings_database=True)).start_database()
    assert not Path("calls").exists()


def test_down_reaches_every_profile(given: Surroundings, folder: LocalFolder, tmp_path: Path) -> None:
    ComposeRuntime(tmp_path, folder, replace(given, brings_upstream=True)).stop()
    ((words, variables),) = calls("down")
    assert (words, variables["COMPOSE_PROFILES"]) == (["down"], "postgres,rabbitmq,sandbox")


def test_what_compose_says_last_is_the_error(given: Surroundings, folder: LocalFolder, tmp_path: Path) -> None:
    answer(up=(1, "", "building\ncontainer feedmill-gateway-1 is unhealthy\n"))
    with pytest.raises(LocalError, match=r"^docker compose up: container feedmill-gateway-1 is unhealthy$"):
        ComposeRuntime(tmp_path, folder, given).start()


def test_commands_run_in_the_container_of_their_service(
    given: Surroundings, folder: LocalFolder, tmp_path: Path
) -> None:
    runtime = ComposeRuntime(tmp_path, folder, given)
    assert runtime.fetch("initial-load") == 0
    ((words, _),) = calls("initial-load")
    assert words == ["run", "--rm", "fetcher", "fetcher", "initial-load"]
    assert list(runtime.command(["feedmill", "migrate"]).words[2:]) == ["run", "--rm", "migrate", "feedmill", "migrate"]
    assert list(runtime.command(["feedmill", "doctor"]).words[2:]) == ["run", "--rm", "doctor", "feedmill", "doctor"]
    tokens = ["gateway", "tokens", "list"]  # the gateway's own container does not know the owner's password
    assert list(runtime.command(tokens).words[2:]) == ["run", "--rm", "tokens", *tokens]
