"""Of what is to be asked the doctor looks whether it listens, where that is this machine."""

import socket
from collections.abc import Iterator

import pytest

from common.doctor import machine
from common.doctor.report import Level
from common.settings import Settings

pytestmark = pytest.mark.unit


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> Iterator[int]:
    """A port on which nobody does."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def settings_of(base_url: str, shop_url: str) -> Settings:
    return Settings.model_validate(
        {"platforms": {"che168": {"base_url": base_url}}, "shops": {"bot_igor": {"url": shop_url}}}
    )


def test_a_source_of_this_machine_that_does_not_listen_is_named_with_what_helps(closed: int) -> None:
    shop = f"http://user:password@localhost:{closed}/api/products?key=secret"
    lines = list(machine.sources(settings_of(f"http://127.0.0.1:{closed}/api/v2/che168", shop)))
    assert [(line.level, line.what) for line in lines] == [
        (Level.ERROR, "source che168"),
        (Level.ERROR, "source bot_igor"),
    ]
    assert [line.seen.partition(": ")[0] for line in lines] == [f"127.0.0.1:{closed}", f"localhost:{closed}"]
    assert all("Connection refused" in line.seen and "make up" in line.advice for line in lines)


def test_a_source_of_this_machine_that_listens_is_well(listening: int) -> None:
    urls = f"http://127.0.0.1:{listening}/api/v2/che168", f"http://localhost:{listening}/api/products"
    assert {line.level for line in machine.sources(settings_of(*urls))} == {Level.OK}


@pytest.mark.parametrize("url", ["http://192.0.2.1:9/", "https://acme.invalid/", "http://[::1", "http://127.0.0.1:x/"])
def test_what_is_elsewhere_or_no_address_is_not_asked(url: str) -> None:
    lines = list(machine.sources(settings_of(url, url)))
    assert [(line.level, line.seen) for line in lines] == 2 * [(Level.OK, "configured")]
