"""Certificates that cannot be trusted, and servers that cannot shake hands."""

import re
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.integration.fetcher.causes import LIMIT, LONG, PAGE, QUICK
from tests.integration.fetcher.raw_server import Answer, raw_server, resetting, sending, whole

from common.testing.clock import VirtualClock
from fetcher.adapters.http_json import BoundedHttp
from fetcher.core.errors import UpstreamError
from fetcher.core.retry import Attempts, RetryPolicy, Verdict, decide

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl"),
]

GOOD = sending(whole("200 OK", body=PAGE))


def certificate(folder: Path, *, days: int = 2, name: str = "IP:127.0.0.1") -> Path:
    """Make a self-signed certificate, valid for so many days from now, with its key in the same file."""
    key, request, signed = (folder / name for name in ("key.pem", "request.pem", "signed.pem"))
    extension = folder / "extension"
    extension.write_text(f"subjectAltName={name}\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-new", *curve, "-subj", "/CN=feedmill", "-keyout", key, "-out", request)
    sign = ("-signkey", key, "-days", str(days), "-extfile", extension)
    _openssl("x509", "-req", "-in", request, *sign, "-out", signed)
    both = folder / "both.pem"
    both.write_text(signed.read_text() + key.read_text())
    return both


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)  # noqa: S603, S607 - fixed, found on PATH


def server_side(pem: Path) -> ssl.SSLContext:
    """Return how a server shows this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def trusting(pem: Path) -> httpx.AsyncHTTPTransport:
    """Return a client side for which this certificate is an authority."""
    return httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=str(pem)))


async def asked(url: str, transport: httpx.AsyncBaseTransport | None = None) -> bytes:
    """Return the body of a page from there."""
    http = BoundedHttp(
        url.replace("http:", "https:"),
        parameters={"api_key": "canary"},
        deadline_s=5.0,
        max_body_bytes=LIMIT,
        clock=VirtualClock(),
        transport=transport,
    )
    async with http:
        return await http.get("/offers", {"page": "3"})


async def failure(answer: Answer, *, tls: Path | None, trusted: Path | None = None) -> tuple[Verdict, str]:
    """Return what follows a request to such a server, and why."""
    async with raw_server(answer, tls=server_side(tls) if tls else None) as server:
        with pytest.raises(UpstreamError) as caught:
            await asked(server.url, trusting(trusted) if trusted else None)
    return decide(caught.value, Attempts(), RetryPolicy(), elapsed_s=0, chance=0.0), str(caught.value)


async def test_a_self_signed_certificate_is_refused(tmp_path: Path) -> None:
    assert await failure(GOOD, tls=certificate(tmp_path)) == (LONG, "tls: self-signed certificate")


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    pem = certificate(tmp_path, days=-1)
    assert await failure(GOOD, tls=pem, trusted=pem) == (LONG, "tls: certificate has expired")


async def test_a_certificate_for_another_name_is_refused_without_saying_ours(tmp_path: Path) -> None:
    pem = certificate(tmp_path, name="DNS:elsewhere.example")
    assert await failure(GOOD, tls=pem, trusted=pem) == (LONG, "tls: IP address mismatch")


async def test_a_refused_handshake_waits() -> None:
    fatal_alert = b"\x15\x03\x03\x00\x02\x02\x28"
    verdict, text = await failure(sending(fatal_alert), tls=None)
    assert verdict == LONG
    assert re.fullmatch("tls: [A-Z0-9_]+", text)


@pytest.mark.parametrize("answer", [sending(), resetting()], ids=["closed", "reset"])
async def test_a_connection_that_ends_in_the_handshake_is_a_hiccup(answer: Answer) -> None:
    assert await failure(answer, tls=None) == (QUICK, "connection: cannot connect")


async def test_a_trusted_certificate_is_taken(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    async with raw_server(GOOD, tls=server_side(pem)) as server:
        assert await asked(server.url, trusting(pem)) == PAGE
