"""Metrics of one process in the text format of Prometheus, and a small server for processes that have none.

A process's numbers are made when it starts and live in a registry of its own; nothing is counted per record.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics, generate_latest, start_http_server
from prometheus_client.process_collector import ProcessCollector

from common.log import fields

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of `text`: https://prometheus.io/docs/instrumenting/exposition_formats/."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of histograms of durations, in seconds."""

_log = logging.getLogger(__name__)


def new_registry(service: str) -> CollectorRegistry:
    """Return what a process of this service collects: its version, and its memory, CPU time and open files."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library says nothing of its types here
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    built = Gauge("feedmill_build_info", "1, with the version of the service.", ["version"], registry=registry)
    built.labels(version(f"feedmill-{service}")).set(1)
    return registry


def text(*registries: CollectorRegistry) -> bytes:
    """Return the samples of some registries, which have no name in common."""
    return b"".join(map(generate_latest, registries))


@contextmanager
def served(registry: CollectorRegistry, *, host: str, port: int | None) -> Iterator[None]:
    """Serve a registry at `http://host:port/metrics` from a thread meanwhile; without a port, nowhere.

    An address that cannot be listened on is a warning: who sees less still does the work.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        _log.warning(fields("No metrics: cannot listen", host=host, port=port, error=error.strerror or error))
        yield
        return
    _log.info(fields("Serving metrics", host=host, port=port))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
