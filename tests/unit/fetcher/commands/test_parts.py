"""What commands are made of: with spans where there are any, and plain otherwise."""

from pathlib import Path

import pytest

from common import tracing
from common.settings import TracingSettings
from fetcher.adapters.rabbit import RabbitPublisher
from fetcher.adapters.tracing import TracedHttp, TracedPublisher, traced_http
from fetcher.commands.parts import publisher_of
from fetcher.settings import FetcherServiceSettings

pytestmark = pytest.mark.unit

URL = "http://127.0.0.1:8168/api"


class Upstream:
    """An Http that nobody asks."""

    async def get(self, path: str, parameters: object) -> bytes:
        """Answer nothing."""
        raise AssertionError(path, parameters)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FetcherServiceSettings:
    """Settings of a folder without configuration."""
    monkeypatch.chdir(tmp_path)
    return FetcherServiceSettings()


def test_without_an_endpoint_messages_and_requests_go_out_as_they_are(settings: FetcherServiceSettings) -> None:
    plain = Upstream()
    with tracing.opened(settings.tracing, service="fetcher"):
        assert type(publisher_of(settings)) is RabbitPublisher
        assert traced_http(plain, URL) is plain


def test_with_an_endpoint_both_are_spans(settings: FetcherServiceSettings) -> None:
    with tracing.opened(TracingSettings(endpoint="http://127.0.0.1:1"), service="fetcher"):
        assert type(publisher_of(settings)) is TracedPublisher
        assert type(traced_http(Upstream(), URL)) is TracedHttp
