"""`up` walks from started services to a served catalogue, and says in its exit code how far it came."""

from dataclasses import dataclass, field

import pytest

from common.testing.clock import VirtualClock
from sandbox.local import road
from sandbox.local.errors import LocalError
from sandbox.local.http_probe import UnknownTokenError
from sandbox.local.road import LOAD, SHOP_SYNC, UPDATE, Road
from sandbox.local.runtime import Console
from sandbox.local.state import LocalFolder

STEPS = (LOAD, UPDATE, SHOP_SYNC)
FETCHED = ("initial-load", "daily-update", "shop-sync")
THEN = (*FETCHED, "start fetcher")


@dataclass
class _FakeRuntime:
    """A runtime whose gateway knows the tokens made here, and whose commands end with `codes`, else with 0."""

    folder: LocalFolder
    codes: dict[str, int] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.steps.append("start")

    def start_fetcher(self) -> None:
        self.steps.append("start fetcher")

    def gateway(self) -> tuple[str, int]:
        return "::1", 5555

    def console(self) -> Console | None:
        return Console("http://127.0.0.1:15672", "operator", "word")

    def make_tokens(self, count: int, *, only_if_none: bool, description: str) -> None:
        assert description
        if only_if_none and self.known:
            return
        self.steps.append(f"make {count} tokens")
        made = [f"token{len(self.known) + number}" for number in range(count)]
        self.known += made
        self.folder.tokens.write_text("".join(f"{token}\n" for token in made))

    def fetch(self, command: str) -> int:
        self.steps.append(command)
        return self.codes.get(command, 0)


@pytest.fixture
def runtime(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> _FakeRuntime:
    runtime = _FakeRuntime(folder)

    def get_json(host: str, port: int, path: str, *, token: str) -> object:
        assert (host, port, path) == ("::1", 5555, "/status")
        if token not in runtime.known:
            raise UnknownTokenError("no")
        counts = {"pages_open": 0, "gaps_open": 0, "unprocessed": 0, "quarantined": 0}
        return {**counts, "offers": [{"platform": "che168", "active": 4990, "total": 5000}]}

    monkeypatch.setattr(road, "get_json", get_json)
    return runtime


def walk(runtime: _FakeRuntime) -> int:
    return Road(runtime, runtime.folder, STEPS, clock=VirtualClock()).walk()


def test_the_first_walk_starts_makes_tokens_loads_and_prints_all_that_people_need(
    runtime: _FakeRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    assert walk(runtime) == 0
    assert runtime.steps == ["start", "make 20 tokens", *THEN]
    said = capsys.readouterr().out
    for expected in (
        "[INFO] che168: 4,990 offers served, 5,000 in the catalogue with those removed",
        "http://[::1]:5555/info",
        "http://[::1]:5555/docs",
        "http://127.0.0.1:15672  user operator, password word",
        "curl -H 'Authorization: Bearer token0' 'http://[::1]:5555/offers?limit=3'",
    ):
        assert expected in said


def test_a_second_walk_makes_no_tokens(runtime: _FakeRuntime) -> None:
    walk(runtime)
    runtime.steps.clear()
    assert walk(runtime) == 0
    assert runtime.steps == ["start", *THEN]


@pytest.mark.parametrize("loss", ["file gone", "token revoked"])
def test_without_a_token_that_works_one_more_is_made(
    loss: str, runtime: _FakeRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    walk(runtime)
    if loss == "file gone":
        runtime.folder.tokens.unlink()
    else:
        runtime.known[0] = "another"
    assert walk(runtime) == 0
    assert runtime.steps[-6:] == ["start", "make 1 tokens", *THEN]
    assert "Bearer token20" in capsys.readouterr().out


def test_tokens_whose_first_is_not_known_are_kept_in_another_file(
    runtime: _FakeRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    walk(runtime)
    before = runtime.folder.tokens.read_text()
    runtime.known[0] = "another"
    walk(runtime)
    (kept,) = runtime.folder.path.glob("tokens-*.txt")
    assert kept.read_text() == before
    assert f"[WARNING] the first token of {runtime.folder.tokens} is not known" in (said := capsys.readouterr().out)
    assert str(kept) in said


@pytest.mark.parametrize("command", FETCHED)
@pytest.mark.parametrize(("code", "expected", "said"), [(1, 1, "ended with errors: make "), (75, 0, "another fetcher")])
def test_a_step_with_errors_shows_in_the_exit_code_and_a_running_one_does_not_and_the_others_follow(
    command: str, code: int, expected: int, said: str, runtime: _FakeRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.codes[command] = code
    assert walk(runtime) == expected
    assert runtime.steps[-4:] == [*THEN]
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("command", FETCHED)
@pytest.mark.parametrize("code", [2, -9])
def test_a_step_that_ends_otherwise_is_an_error(command: str, code: int, runtime: _FakeRuntime) -> None:
    runtime.codes[command] = code
    with pytest.raises(LocalError, match=f"ended with code {code}"):
        walk(runtime)
