"""The stand-in as a process: what only a real connection shows."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.__main__ import main
from sandbox.upstream.errors import NotReadyError
from sandbox.upstream.server import UpstreamProcess, listen


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpstreamProcess]:
    script = tmp_path_factory.mktemp("faults") / "faults.json"
    script.write_text(json.dumps([{"kind": "status", "code": 418, "endpoint": "filters"}]), "utf-8")
    with UpstreamProcess("--offers", "60", "--faults", str(script), "--api-key", "sesame") as server:
        yield server


@pytest.fixture(name="client")
def _client(server: UpstreamProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers={"x-api-key": server.api_key}) as client:
        yield client
        client.delete(f"{server.admin}/faults")


def test_a_process_serves_pages_and_the_script_of_its_file(server: UpstreamProcess, client: httpx.Client) -> None:
    assert server.base_url.endswith("/api/v2/che168")
    assert client.get("/filters").status_code == 418
    assert len(client.get("/offers?page=1").json()["result"]) == 20


def test_a_cut_body_ends_before_its_length(server: UpstreamProcess, client: httpx.Client) -> None:
    client.post(f"{server.admin}/faults", json=[{"kind": "cut_body"}])
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        client.get("/offers?page=1")
    assert client.get("/offers?page=1").status_code == 200


def test_a_reset_breaks_the_connection(server: UpstreamProcess, client: httpx.Client) -> None:
    client.post(f"{server.admin}/faults", json=[{"kind": "reset"}])
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        client.get("/offers?page=1")
    assert client.get("/offers?page=1").status_code == 200


def test_an_endless_body_goes_on_for_as_long_as_somebody_reads(server: UpstreamProcess, client: httpx.Client) -> None:
    client.post(f"{server.admin}/faults", json=[{"kind": "endless"}])
    with client.stream("GET", "/offers?page=1") as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        size = 0
        for part in answer.iter_raw():
            size += len(part)
            if size > 10_000_000:
                break
    assert client.get("/offers?page=1").status_code == 200


def test_a_client_that_gives_up_on_a_hang_leaves_nothing_in_flight(
    server: UpstreamProcess, client: httpx.Client
) -> None:
    client.post(f"{server.admin}/faults", json=[{"kind": "hang"}])
    with pytest.raises(httpx.ReadTimeout):
        client.get("/offers?page=1", timeout=0.2)
    for _ in range(1_000):
        if client.get(f"{server.admin}/stats").json()["in_flight"] == 0:
            return
    pytest.fail("the request is still in flight")


def test_the_process_has_its_own_group_and_ends_with_its_context() -> None:
    with UpstreamProcess("--offers", "1") as server:
        pid = server.pid
        assert os.getpgid(pid) == pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


def test_a_process_can_open_a_shop_beside_the_offers() -> None:
    with UpstreamProcess("--offers", "1", "--shop", "30") as server:
        lists = [httpx.get(server.shop_url, params={"on_main": main}).json()["products"] for main in ("true", "false")]
    assert len({product["Product_ID"] for products in lists for product in products}) == 30


def test_a_process_serves_several_platforms_and_names_the_first() -> None:
    with UpstreamProcess("--offers", "1", "--platform", "encar,dongchedi") as server:
        assert server.base_url.endswith("/api/v2/encar")
        other = server.base_url.replace("encar", "dongchedi")
        assert httpx.get(f"{other}/filters", params={"api_key": server.api_key}).status_code == 200


def test_a_process_that_cannot_start_says_so() -> None:
    with pytest.raises(NotReadyError), UpstreamProcess("--rate", "unheard_of=1"):
        pass


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with listen("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        with listen("127.0.0.1", taken) as second:
            assert second.getsockname()[1] != taken


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--rate", "unheard_of=1"], "unheard_of", id="unknown quirk"),
        pytest.param(["--rate", "commercial=often"], "often", id="no share"),
        pytest.param(["--recorded", "."], "no recorded offers", id="nothing recorded"),
        pytest.param(["--faults", "missing.json"], "missing.json", id="no fault file"),
    ],
)
def test_an_option_without_meaning_ends_with_one_line(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["upstream", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--offers", "-1"],
        ["--now", "2026-11-20T12:00:00"],
        ["--quirks", "some"],
        ["--platform", "che168,"],
        ["--platform", "a/b"],
        ["--events-per-request", "-1"],
    ],
)
def test_an_argument_that_cannot_be_parsed_is_a_usage_error(options: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["upstream", *options])
    assert stopped.value.code == 2
