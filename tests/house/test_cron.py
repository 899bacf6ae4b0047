"""The crontab is one that cron takes, and calls commands that exist at the times of the brief."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.house.programs import shown
from tests.house.tree import text

CRONTAB = Path("deploy/cron/feedmill")
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
ENTRY = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+([a-z_][a-z0-9_-]*)\s+(\S.*)")
ASSIGNMENT = re.compile(r"([A-Z]+)=(\S.*)")


def entries(crontab: str) -> list[tuple[tuple[str, ...], str]]:
    """Return times and command of each entry of a crontab of the system; everything else must be an assignment.

    Raises:
        ValueError: cron would not take it, or would take it otherwise than it looks.
    """
    if not crontab.endswith("\n"):
        raise ValueError("cron ignores a last line without its end")
    found = []
    for line in crontab.splitlines():
        if not line.strip() or line.startswith("#") or ASSIGNMENT.fullmatch(line):
            continue
        match = ENTRY.fullmatch(line)
        if match is None:
            raise ValueError(f"no entry: {line}")
        *times, _user, command = match.groups()
        for value, (low, high) in zip(times, FIELDS, strict=True):
            if value != "*" and not (value.isdigit() and low <= int(value) <= high):
                raise ValueError(f"no time: {value}")
        if "%" in command:
            raise ValueError("cron takes % for the end of the command")
        found.append((tuple(times), command))
    return found


@pytest.mark.parametrize(
    "crontab",
    [
        "0 2 * * * feedmill true",
        "0 24 * * * feedmill true\n",
        "0 2 * * feedmill true\n",
        "0 2 * * * feedmill date +%F\n",
        "0 2 * * *\n",
    ],
)
def test_what_cron_would_not_take_is_found(crontab: str) -> None:
    with pytest.raises(ValueError, match=r"cron|no entry|no time"):
        entries(crontab)


def commands() -> dict[str, tuple[str, ...]]:
    """Return each of our commands in the crontab, such as `fetcher daily-update`, with its times."""
    found = {}
    for times, command in entries(text(CRONTAB)):
        match = re.fullmatch(r'cd "\$FEEDMILL" && \$RUN (.+) >/dev/null 2>&1', command)
        assert match, command
        found[match[1]] = times
    return found


def test_fetching_is_at_two_and_normalising_at_three_every_day() -> None:
    times = commands()
    assert times["fetcher daily-update"] == ("0", "2", "*", "*", "*")
    assert times["normalizer normalize"] == ("0", "3", "*", "*", "*")


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_exists(command: str) -> None:
    program, *words = shlex.split(command)
    assert shown(program, *words, "--help").startswith(f"usage: {command}")


def test_an_entry_runs_in_the_folder_that_the_variables_name(tmp_path: Path) -> None:
    matches = map(ASSIGNMENT.fullmatch, text(CRONTAB).splitlines())
    variables = {match[1]: match[2] for match in matches if match}
    assert variables.keys() == {"SHELL", "PATH", "FEEDMILL", "RUN"}
    run = "touch"
    environment = {**variables, "FEEDMILL": str(tmp_path), "RUN": run}
    for _, command in entries(text(CRONTAB)):
        subprocess.run([variables["SHELL"], "-c", command], env=environment, check=True)  # noqa: S603 - our own words
    assert {path.name for path in tmp_path.iterdir()} >= {"fetcher", "daily-update", "normalizer", "normalize"}
