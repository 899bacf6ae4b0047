"""The units in deploy/systemd: systemd reads them, they run what is there, with little right, and know enough."""

import configparser
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.house.programs import ended
from tests.house.tree import ROOT

from common.settings import FLAT_NAMES, OTHER_NAMES, OVERRIDE_PREFIX

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path for path in FOLDER.iterdir() if path.suffix in {".service", ".timer", ".target"})
SERVICES = [path for path in UNITS if path.suffix == ".service"]
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "User": "feedmill",
    "UMask": "0027",
}


class _Unit(configparser.RawConfigParser):
    """A unit file: names are as they are written, and a name may come again."""

    def optionxform(self, optionstr: str) -> str:
        """Keep upper case."""
        return optionstr


def unit(path: Path) -> _Unit:
    """Return a unit; of a name that comes again the last."""
    parsed = _Unit(strict=False, interpolation=None)
    parsed.read_string(path.read_text())
    return parsed


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What make-secrets writes."""
    folder = tmp_path_factory.mktemp("etc")
    subprocess.run([FOLDER / "make-secrets", folder], check=True, capture_output=True)  # noqa: S603 - our own script
    return folder


def variables(file: Path) -> Iterator[tuple[str, str]]:
    """Give the names and values of an environment file."""
    for line in file.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name, value


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    for path in UNITS:  # the place of our programs is not there on this machine
        text = path.read_text().replace("/opt/feedmill/.venv/bin/", "/bin/true ")
        (tmp_path / path.name).write_text(text)
    words = ["systemd-analyze", "verify", *(str(tmp_path / path.name) for path in UNITS)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    ours = [line for line in done.stderr.splitlines() if "feedmill" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize(
    "path", [path for path in SERVICES if unit(path)["Service"].get("Restart")], ids=lambda path: path.name
)
def test_a_service_whose_settings_are_wrong_is_not_started_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEEDMILL_CONFIG", raising=False)
    Path("config.yaml").write_text("databse: {}\n")
    service = unit(path)["Service"]
    code, _, said = ended(*service["ExecStart"].removeprefix("/opt/feedmill/.venv/bin/").split())
    assert said == "[ERROR] config.yaml: unknown key databse\n"
    assert code == int(service["RestartPreventExitStatus"]) == 2


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_has_no_more_right_than_it_needs_and_a_program_that_exists(path: Path) -> None:
    service = unit(path)["Service"]
    assert {name: service[name] for name in HARDENED} == HARDENED
    program, verb = service["ExecStart"].removeprefix("/opt/feedmill/.venv/bin/").split()
    installed = Path(shutil.which("python") or "").parent / program
    assert installed.is_file() or (ROOT / ".venv" / "bin" / program).is_file()
    assert verb in {"run", "migrate", "dump"}


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_knows_its_own_secrets_only(path: Path, environments: Path) -> None:
    lines = path.read_text().splitlines()
    files = [Path(line.partition("=")[2]).name for line in lines if line.startswith("EnvironmentFile=")]
    known = {name for file in files for name, _ in variables(environments / file)}
    who = path.stem.removeprefix("feedmill-").rstrip("@")
    if who in {"fetcher", "normalizer", "gateway"}:
        assert {name for name in known if name.endswith("_PASSWORD")} == {f"DB_{who.upper()}_PASSWORD"}
        assert ("SECRET_KEY" in known) is (who == "gateway")
    else:
        assert {"DB_USER", "DB_PASSWORD"} <= known


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_no_line_of_a_unit_stands_twice(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert sorted(lines) == sorted(set(lines))


def test_who_changes_a_secret_is_told_every_file_that_holds_it(environments: Path) -> None:
    table = (ROOT / "docs" / "deployment.md").read_text().partition("## Secrets")[2]
    told = re.search(r"^\| `SECRET_KEY` \| ([^|]+) \|", table, re.MULTILINE)
    held = {file.name for file in environments.iterdir() if "SECRET_KEY" in dict(variables(file))}
    assert told
    assert set(re.findall(r"\w+\.env", told[1])) == held


def test_secrets_are_fresh_closed_and_kept(environments: Path, tmp_path: Path) -> None:
    files = sorted(environments.iterdir())
    assert [path.name for path in files] == [
        *("common.env", "fetcher.env", "gateway.env", "normalizer.env", "owner.env"),
    ]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    before = {path: path.read_text() for path in files}
    (environments / "gateway.env").unlink()
    subprocess.run([FOLDER / "make-secrets", environments], check=True, capture_output=True)  # noqa: S603 - our own script
    assert {path: path.read_text() for path in files} == before
    subprocess.run([FOLDER / "make-secrets", tmp_path], check=True, capture_output=True)  # noqa: S603 - our own script
    mine, other = (dict(variables(folder / "owner.env")) for folder in (environments, tmp_path))
    secrets = {name for name in mine if name.endswith("_PASSWORD") or name == "SECRET_KEY"}
    assert len(secrets) == 9
    assert all(mine[name] != other[name] and len(mine[name]) == 48 for name in secrets)


def test_every_variable_is_one_of_ours(environments: Path) -> None:
    broker = {f"RABBITMQ_{user}_PASSWORD" for user in ("FETCHER", "NORMALIZER", "GATEWAY", "OPERATOR")}
    for file in environments.iterdir():
        for name, _ in variables(file):
            assert name in {*FLAT_NAMES, *OTHER_NAMES, *broker} or name.startswith(OVERRIDE_PREFIX), name


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(environments: Path, tmp_path: Path) -> Run:
    """feedmill-run, where each program of ours tells its words, its folder and its environment."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("feedmill", "fetcher", "gateway"):
        (folder / name).write_text('#!/bin/sh\necho "$@"; pwd; env\n')
        (folder / name).chmod(0o755)
    places = {
        "FEEDMILL_ETC": shutil.copytree(environments, tmp_path / "etc"),
        "FEEDMILL_HOME": tmp_path,
        "FEEDMILL_STATE": tmp_path,
        "FEEDMILL_USER": "root",
    }
    environment = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in places.items()}}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(FOLDER / "feedmill-run"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own script

    return run


def test_a_command_runs_with_the_environment_of_its_unit(run: Run, tmp_path: Path) -> None:
    lines = run("fetcher", "initial-load", "--max-pages", "1").stdout.splitlines()
    assert lines[:2] == ["initial-load --max-pages 1", str(tmp_path)]
    given = {line.partition("=")[0] for line in lines[2:]}
    assert {"DB_FETCHER_PASSWORD", "CHE168_API_KEY", "DB_HOST"} <= given
    assert not given & {"DB_PASSWORD", "SECRET_KEY", "DB_GATEWAY_PASSWORD"}
    assert "DB_PASSWORD=" in run("gateway", "tokens", "list").stdout
    assert (run("psql").returncode, run().returncode) == (2, 2)


def test_of_secrets_that_differ_the_services_own_count(run: Run, tmp_path: Path) -> None:
    services = ("fetcher", "normalizer", "gateway")
    for service in services:
        file = tmp_path / "etc" / f"{service}.env"
        secret = r"(PASSWORD=|SECRET_KEY=|amqp://\w+:)\w+"
        file.write_text(re.sub(secret, rf"\1of-{service}", file.read_text()))
    given = dict(line.split("=", 1) for line in run("feedmill", "doctor").stdout.splitlines()[2:])
    for service in services:
        assert given[f"DB_{service.upper()}_PASSWORD"] == f"of-{service}"
    for service in ("fetcher", "normalizer"):
        assert given[f"RABBITMQ_URL_{service.upper()}"] == f"amqp://{service}:of-{service}@127.0.0.1:5672/feedmill"
    assert given["RABBITMQ_URL"] == "amqp://gateway:of-gateway@127.0.0.1:5672/feedmill"
    assert given["DB_USER"] == "feedmill"
    making = dict(line.split("=", 1) for line in run("gateway", "tokens", "create").stdout.splitlines()[2:])
    assert given["SECRET_KEY"] == making["SECRET_KEY"] == "of-gateway", "or the tokens would open nothing"
