"""An upstream behind a proxy, plain and under TLS."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.fetcher.causes import LIMIT, PAGE
from tests.integration.fetcher.raw_server import raw_server, sending, whole
from tests.integration.fetcher.test_tls import certificate, server_side

from common.testing.clock import VirtualClock
from fetcher.adapters.http_json import BoundedHttp
from fetcher.core.errors import UpstreamError

pytestmark = pytest.mark.integration

GOOD = sending(whole("200 OK", body=PAGE))
NAME = "upstream.example"
"""Nobody has it, so only the proxy can lead there."""


@asynccontextmanager
async def tunnel_to(port: int, seen: list[str]) -> AsyncIterator[str]:
    """Serve a proxy that leads every CONNECT to a port of this machine and notes the request's head."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def asked(url: str, tls: ssl.SSLContext | None = None) -> bytes:
    """Return the body of a page."""
    http = BoundedHttp(
        url, parameters={"api_key": "k"}, deadline_s=5.0, max_body_bytes=LIMIT, clock=VirtualClock(), tls=tls
    )
    async with http:
        return await http.get("/offers", {"page": "3"})


@pytest.fixture(autouse=True)
def _no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


async def test_a_proxy_of_plain_http_is_told_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(GOOD) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("http://", "http://me:secret@"))
        assert await asked(f"http://{NAME}:81/api") == PAGE
    head = proxy.requests[0]
    assert head.startswith(f"GET http://{NAME}:81/api/offers?page=3&api_key=k HTTP/1.1\r\nHost: {NAME}:81\r\n")
    assert "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in head


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")
async def test_tls_goes_through_a_tunnel_and_the_proxy_sees_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, seen = certificate(tmp_path, name=f"DNS:{NAME}"), list[str]()
    async with raw_server(GOOD, tls=server_side(pem)) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        async with tunnel_to(port, seen) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy)
            assert await asked(f"https://{NAME}/api", ssl.create_default_context(cafile=str(pem))) == PAGE
    assert seen == [f"CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\n\r\n"]


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(sending(whole("407 Proxy Authentication Required"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(UpstreamError, match="connection: the proxy answers with status 407"):
            await asked(f"https://{NAME}/api")
