"""The way to an upstream, from its address and the environment."""

import ssl

import pytest

from common.errors import ConfigurationError
from fetcher.adapters.http_route import Place, Proxy, route_to

PROXY = {"HTTPS_PROXY": "http://u%40:s%3A@proxy.example:3128", "HTTP_PROXY": "proxy.example:3128"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Name no proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("base_url", "place", "path"),
    [
        ("http://api.example", Place("api.example", 80, "api.example"), ""),
        ("https://api.example/api/v2/che168/", Place("api.example", 443, "api.example"), "/api/v2/che168"),
        ("http://u:p@api.example:8080/a b", Place("api.example", 8080, "api.example:8080"), "/a%20b"),
        ("http://[::1]:81/%D0%B0", Place("::1", 81, "[::1]:81"), "/%D0%B0"),
    ],
)
def test_an_address_is_read(base_url: str, place: Place, path: str) -> None:
    route = route_to(base_url)
    assert (route.place, route.path, route.proxy) == (place, path, None)


def test_only_https_has_somebody_to_trust() -> None:
    own = ssl.create_default_context()
    assert route_to("http://api.example", tls=own).tls is None
    assert route_to("https://api.example", tls=own).tls is own
    public = route_to("https://api.example").tls
    assert public is not None
    assert public.verify_mode is ssl.CERT_REQUIRED
    assert public.check_hostname


@pytest.mark.parametrize(
    "base_url", ["", "api.example", "ftp://api.example", "http://", "http://a:x", "http://a:0", "http://[::1"]
)
def test_what_is_no_address_is_refused_without_repeating_it(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        route_to(base_url)
    assert str(caught.value) == "base_url: no address that begins with http:// or https://"


@pytest.mark.parametrize(
    ("scheme", "headers"), [("http", {}), ("https", {"Proxy-Authorization": "Basic dUA6czo="})], ids=["http", "https"]
)
def test_the_environment_names_the_proxy(scheme: str, headers: dict[str, str], environment: pytest.MonkeyPatch) -> None:
    for name, value in PROXY.items():
        environment.setenv(name, value)
    proxy = route_to(f"{scheme}://api.example").proxy
    assert proxy is not None
    assert (proxy.place.host, proxy.place.port, proxy.headers) == ("proxy.example", 3128, headers)


def test_one_proxy_may_stand_for_all(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "http://proxy.example:1")
    place = Place("proxy.example", 1, "proxy.example:1")
    assert route_to("https://api.example").proxy == Proxy(place, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "api.example"])
def test_no_proxy_stands_before_this_machine_or_an_exception(host: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "http://proxy.example:1")
    environment.setenv("NO_PROXY", "api.example")
    assert route_to(f"http://{host}/").proxy is None


@pytest.mark.parametrize("proxy", ["socks5://proxy.example:1", "https://proxy.example"])
def test_a_proxy_of_another_kind_is_refused(proxy: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        route_to("https://api.example")
