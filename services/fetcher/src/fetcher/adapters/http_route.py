"""The way to an upstream: its address, whom to trust there, and the proxy in between, if the environment names one."""

import ipaddress
import os
import ssl
from base64 import b64encode
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi

from common.errors import ConfigurationError

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """A host and a port; `authority` is both as a URL or a `Host` header writes them."""

    host: str
    port: int
    authority: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the header lines that it wants to see."""

    place: Place
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """The way to an upstream.

    Attributes:
        path: In front of every path, percent-encoded, without a slash at its end.
        tls: Whom to trust; None under plain `http`.
    """

    place: Place
    path: str
    tls: ssl.SSLContext | None
    proxy: Proxy | None


def route_to(base_url: str, *, tls: ssl.SSLContext | None = None) -> Route:
    """Return the way to `base_url`.

    `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` mean what they mean to curl.

    Args:
        base_url: An `http` or `https` address.
        tls: Whom to trust under `https` instead of the public authorities.

    Raises:
        ConfigurationError: It is no such address, or the proxy has none.
    """
    url = _split(base_url, "base_url")
    if url.scheme == "http":
        tls = None
    elif tls is None:
        tls = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    return Route(_place(url), quote(url.path.rstrip("/"), safe="/%:@!$&'()*+,;=~"), tls, _proxy_to(url))


def _split(address: str, what: str) -> SplitResult:
    try:
        url = urlsplit(address)
        is_address = url.scheme in _PORTS and bool(url.hostname) and url.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigurationError(f"{what}: no address that begins with http:// or https://")
    return url


def _place(url: SplitResult) -> Place:
    return Place(url.hostname or "", url.port or _PORTS[url.scheme], url.netloc.rpartition("@")[2])


def _proxy_to(url: SplitResult) -> Proxy | None:
    place = _place(url)
    if _is_loopback(place.host) or proxy_bypass(place.authority):
        return None  # a proxy to this very machine could only be in the way
    known = getproxies()
    address = known.get(url.scheme) or known.get("all")
    if not address:
        return None
    proxy = _split(address if "://" in address else f"http://{address}", f"{url.scheme.upper()}_PROXY")
    if proxy.scheme != "http":
        raise ConfigurationError(f"{url.scheme.upper()}_PROXY: the proxy itself must be an http:// address")
    return Proxy(_place(proxy), _authorization(proxy))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    secret = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(secret).decode()}"}
