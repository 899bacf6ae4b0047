"""deploy/install.sh looks at the machine, and says in one line what is missing where it may not install it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "deploy" / "install.sh"
MISSING = ("has_rabbitmq", "has_postgresql", "has_browser", "environment_works")
BARE = "; ".join(f"{what}() {{ false; }}" for what in MISSING)
NO = "exit 1"
GOOD_PYTHON = "exit 0"
WITHOUT_VENV = '[ "$2" != "import ensurepip" ]'

Say = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Return a function that runs a line of bash with the script's functions, on a machine made of stand-ins."""
    script = tmp_path / "deploy" / "install.sh"
    script.parent.mkdir()
    shutil.copy(SCRIPT, script)
    programs = tmp_path / "bin"
    programs.mkdir()

    def run(line: str, **stand_ins: str) -> subprocess.CompletedProcess[str]:
        machine = {"docker": NO, "sudo": NO, "id": "echo 1000", "python3": GOOD_PYTHON, "apt_get": "echo; exit 0"}
        for name, body in (machine | stand_ins).items():
            path = programs / name.replace("_", "-")
            path.write_text(f"#!/bin/bash\n{body}\n")
            path.chmod(0o755)
        command = ["/bin/bash", "-c", f"source {script}; {BARE}; {line}"]
        environment = {"PATH": f"{programs}:/usr/bin:/bin"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - own words

    return run


@pytest.mark.parametrize(
    ("steps", "docker", "env", "expected"),
    [
        ("servers", NO, "", "rabbitmq-server postgresql"),
        ("servers", GOOD_PYTHON, "", ""),
        ("servers", '[ "$1" = info ]', "", "rabbitmq-server postgresql"),
        ("native-servers", GOOD_PYTHON, "", "rabbitmq-server postgresql"),
        ("native-servers browser", NO, "", "rabbitmq-server postgresql chromium"),
        ("servers", NO, "DB_HOST=db\nRABBITMQ_URL=amqp://mq", ""),
        ("servers", NO, "DB_HOST=db", "rabbitmq-server"),
        ("servers", NO, "export RABBITMQ_URL=amqp://mq", "postgresql"),
        ("servers", NO, "DB_HOST=\nRABBITMQ_URL= # none", "rabbitmq-server postgresql"),
    ],
    ids=[
        "no engine",
        "engine",
        "no Compose",
        "tests",
        "tests in a browser",
        "both given",
        "own database",
        "own broker",
        "empty",
    ],
)
def test_servers_are_missing_only_where_nobody_else_provides_them(
    steps: str, docker: str, env: str, expected: str, say: Say, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(env)
    done = say(f"missing_packages {steps}", docker=docker)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, expected.split(), "")


@pytest.mark.parametrize(
    ("python3", "expected"),
    [(GOOD_PYTHON, ""), (WITHOUT_VENV, "python3-venv")],
    ids=["complete", "without venv"],
)
def test_a_python_without_ensurepip_needs_its_package(python3: str, expected: str, say: Say) -> None:
    assert say("missing_packages runtime", python3=python3).stdout.strip() == expected


def test_what_cannot_be_installed_is_named_in_one_line_with_the_command(say: Say) -> None:
    done = say("main runtime servers", python3=WITHOUT_VENV)
    packages = "python3-venv rabbitmq-server postgresql"
    command = f"sudo apt-get install --no-install-recommends {packages}"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"[ERROR] missing: {packages}. Install it with: {command}\n"


def test_passwordless_sudo_installs_with_one_line_on_the_console(say: Say, tmp_path: Path) -> None:
    done = say("main servers", sudo='echo "$*" >>sudo-calls')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[INFO] installing system packages: rabbitmq-server postgresql\n"
    expected = "-n true\n-n bash deploy/apt-install.sh rabbitmq-server postgresql\n"
    assert (tmp_path / "sudo-calls").read_text() == expected


def test_root_needs_no_sudo(say: Say, tmp_path: Path) -> None:
    (tmp_path / "deploy/apt-install.sh").write_text('echo "$*" >apt-calls')
    assert say("main servers", id="echo 0").returncode == 0
    assert (tmp_path / "apt-calls").read_text() == "rabbitmq-server postgresql\n"


def test_a_failed_installation_ends_with_its_reason_and_its_log(say: Say, tmp_path: Path) -> None:
    (tmp_path / "deploy/apt-install.sh").write_text("echo E: Unable to fetch some archives; exit 100")
    done = say("main servers", id="echo 0")
    assert done.returncode == 1
    assert done.stderr.startswith("[ERROR] apt-get install --no-install-recommends rabbitmq-server postgresql failed: ")
    assert done.stderr.endswith("E: Unable to fetch some archives (see .local/logs/install.log)\n")


def test_nothing_missing_is_silent(say: Say) -> None:
    done = say("main servers", docker=GOOD_PYTHON)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_wrong_word_is_refused(say: Say) -> None:
    done = say("main everything")
    assert (done.returncode, done.stderr) == (1, "[ERROR] unknown step: everything\n")
