"""Spans on their way to a collector that is there, away, and back."""

import logging
import socket
import time

import pytest
from tests.e2e.collector import Collector

from common.settings import TracingSettings
from common.tracing import opened

pytestmark = pytest.mark.integration

AWAY = "Traces cannot be sent and are lost meanwhile"
BACK = "Traces are sent again"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send spans without much delay, and give up on them soon."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")


def wait_until(said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Wait for a line of the log."""
    deadline = time.monotonic() + 60  # noqa: TID251 - waits for a real thread
    while said not in caplog.text:
        assert time.monotonic() < deadline, f"not said: {said}"  # noqa: TID251 - as above
        time.sleep(0.02)  # noqa: TID251 - as above


def test_what_is_left_is_sent_at_the_end() -> None:
    with Collector() as collector:
        with opened(TracingSettings(endpoint=f"{collector.endpoint}/"), service="normalizer") as spans:
            assert spans is not None
            with spans.span("process"):
                pass
        (span,) = collector.spans
    assert (span.service, span.name) == ("feedmill-normalizer", "process")


def test_a_collector_that_is_away_costs_one_warning_and_the_spans_of_that_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began_s = time.monotonic()  # noqa: TID251 - measures a real end
    with opened(TracingSettings(endpoint=f"http://127.0.0.1:{port}"), service="fetcher") as spans:
        assert spans is not None
        for _ in range(3):
            with spans.span("lost"):
                pass
        wait_until(AWAY, caplog)
        with spans.span("lost"):
            pass
        with Collector(port) as collector:
            deadline = began_s + 60
            while not collector.named("sent"):
                assert time.monotonic() < deadline  # noqa: TID251 - as above
                with spans.span("sent"):
                    time.sleep(0.02)  # noqa: TID251 - as above
    said = [record.message.partition(" endpoint")[0] for record in caplog.records if record.name.startswith("common")]
    assert said[:3] == ["Sending traces", AWAY, BACK]
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []
