"""Whether there are traces at all, and the ids of those of pages."""

import random
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from common.errors import ConfigurationError
from common.events import PageKind
from common.settings import TracingSettings
from common.tracing import current, opened, root_span, sampled_below, trace_id_of

PROGRAM = """
import sys
from importlib import import_module

from common.settings import TracingSettings
from common.tracing import opened

import_module("{service}.app")
with opened(TracingSettings(), service="{service}") as spans:
    assert spans is None
print(*(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))))
"""
OF_FASTSTREAM = {"opentelemetry", "opentelemetry.semconv"}
"""FastStream looks whether they are there; the second one is an empty package."""


def modules(service: str) -> set[str]:
    """Return what a service has imported of OpenTelemetry, and of what only OpenTelemetry needs, while it is off."""
    program = PROGRAM.format(service=service)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return set(done.stdout.split())


def test_without_an_endpoint_the_fetcher_imports_nothing_of_opentelemetry() -> None:
    assert modules("fetcher") == set()


def test_without_an_endpoint_the_normalizer_imports_what_faststream_looks_for() -> None:
    assert modules("normalizer") <= OF_FASTSTREAM


def test_without_an_endpoint_the_gateway_imports_the_interface_that_fastapi_needs_and_nothing_that_makes_spans() -> (
    None
):
    makers = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google", "requests")
    assert [name for name in modules("gateway") if name.startswith(makers)] == []


def test_without_an_endpoint_there_are_no_spans() -> None:
    with opened(TracingSettings(), service="fetcher") as spans:
        assert (spans, current()) == (None, None)
        with root_span("fetcher run", {}) as span:
            assert span is None


def test_with_an_endpoint_there_are_spans_until_the_end() -> None:
    with opened(TracingSettings(endpoint="http://127.0.0.1:1"), service="fetcher") as spans:
        assert spans is not None
        assert current() is spans
    assert current() is None


def test_an_endpoint_without_opentelemetry_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "common.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    settings = TracingSettings(endpoint="http://127.0.0.1:4318")
    with (
        pytest.raises(ConfigurationError, match=r"pip install 'feedmill-common\[tracing\]'"),
        opened(settings, service="fetcher"),
    ):
        pass


def test_the_trace_of_a_page_is_named_by_the_page_alone() -> None:
    named = trace_id_of("che168", PageKind.PAGE, 7, "20261121T020000-4f1c22")
    assert named == "b9870d9c06fbeda1498ba2e0c6cd54b9"  # `printf ... | sha256sum`: whoever stored it finds it again
    others = [
        trace_id_of("encar", PageKind.PAGE, 7, "20261121T020000-4f1c22"),
        trace_id_of("che168", PageKind.CHANGE, 7, "20261121T020000-4f1c22"),
        trace_id_of("che168", PageKind.PAGE, 8, "20261121T020000-4f1c22"),
        trace_id_of("che168", PageKind.PAGE, 7, "20261121T020000-4f1c23"),
    ]
    assert len({named, *others}) == 5


@pytest.mark.parametrize("ratio", [0.0, 0.001, 0.25, 0.5, 0.999, 1.0])
def test_the_bound_says_what_the_sampler_says(ratio: float) -> None:
    below = sampled_below(TracingSettings(endpoint="http://127.0.0.1:4318", ratio=ratio))
    sampler, chance = TraceIdRatioBased(ratio), random.Random(4)  # noqa: S311 - examples
    ids = [0, 2**128 - 1, 2**63, *(chance.getrandbits(128) for _ in range(500))]
    said = [sampler.should_sample(None, known, "page").decision is Decision.RECORD_AND_SAMPLE for known in ids]
    assert below is not None
    assert [f"{known:032x}"[-16:] < below for known in ids] == said


def test_without_an_endpoint_no_trace_is_named() -> None:
    assert sampled_below(TracingSettings(ratio=1.0)) is None
