"""A process's metrics: what every one has, and the server that hands them out."""

import logging
import socket
import urllib.request
from importlib.metadata import version

import pytest
from prometheus_client import Counter

from common import metrics


def a_free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_every_process_tells_its_version_and_its_memory() -> None:
    text = metrics.text(metrics.new_registry("normalizer")).decode()
    assert f'feedmill_build_info{{version="{version("feedmill-normalizer")}"}} 1.0\n' in text
    assert "\nprocess_resident_memory_bytes " in text
    assert "_created" not in text


def test_a_registry_is_served_meanwhile_and_no_longer() -> None:
    registry, port = metrics.new_registry("fetcher"), a_free_port()
    Counter("sheep", "Counted.", registry=registry).inc(3)
    with metrics.served(registry, host="127.0.0.1", port=port):
        body = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
    assert b"\nsheep_total 3.0\n" in body
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_without_a_port_nothing_is_served() -> None:
    with metrics.served(metrics.new_registry("fetcher"), host="not an address", port=None):
        pass


def test_a_port_that_is_taken_costs_the_metrics_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    done = False
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with metrics.served(metrics.new_registry("fetcher"), host="127.0.0.1", port=port):
            done = True
    assert done
    assert [record.message for record in caplog.records] == [
        f'No metrics: cannot listen host=127.0.0.1 port={port} error="Address already in use"'
    ]
