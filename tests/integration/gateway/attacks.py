"""Attacks as data: what is sent, and what may come back. Each is a case of `test_attacks.py`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from tests.contract.gateway.fakes import OTHER_TOKEN, TOKEN
from tests.integration.gateway.raw_http import a_request

TOKEN_HEADER: Final = b"Authorization: Bearer " + TOKEN.encode()
REFUSED: Final = frozenset({400, 401, 404, 405, 408, 413, 414, 422, 429, 431})
BAD_REQUEST: Final = frozenset({400})
CLOSED: Final = frozenset({0})
FINE: Final = frozenset({200})


@dataclass(frozen=True)
class Attack:
    """Bytes to send, with pauses between the parts, and the statuses of the first answer that are right."""

    name: str
    parts: tuple[bytes, ...]
    right: frozenset[int] = REFUSED
    pause_s: float = 0.0


def _asks(name: str, target: str, right: frozenset[int] = frozenset({422}), *headers: bytes) -> Attack:
    return Attack(name, (a_request(target.encode(), TOKEN_HEADER, *headers),), right)


def _raw(name: str, *parts: bytes, right: frozenset[int] = BAD_REQUEST, pause_s: float = 0.0) -> Attack:
    return Attack(name, parts, right, pause_s)


SQL: Final = (
    *("'", "''", "' OR '1'='1", '" OR 1=1 --', "1; DROP TABLE offers", "1) UNION SELECT token FROM api_tokens --"),
    *("' AND pg_sleep(5) --", "$1", "%s", "%(x)s", "{x}", "\\'; SELECT 1 --", "E'\\\\x41'", "/**/OR/**/1=1"),
)
PATTERNS: Final = ("%", "_", "%%%", "\\", "\\%", "[a-z]", ".*", "(a+)+$", "*", "?")
UNICODE: Final = (
    *(
        "\u202e",
        "\ufeff",
        "ＢＭＷ",
        "İ",
        "ß",
        "ﬃ",
        "e\u0301" * 40,
        "🚗" * 50,
        "\u0000",
        "\u0007",
        "\ud7ff\ue000",
        "﷽" * 30,
    ),
    *("a\u200bb", "\uffff", "ŉ", "Ⅷ²½", "ー" * 100),
)
NUMBERS: Final = (
    *("9223372036854775808", "-9223372036854775809", "1e309", "NaN", "Infinity", "-0", "0x10", "1_000", "١٢٣", "1.5"),
    *("9" * 400, "", " 1", "+1", "1%00", "2147483648"),
)


def sql() -> Iterator[Attack]:
    """SQL wherever text goes: it is text."""
    for number, text in enumerate(SQL):
        yield _asks(f"sql in mark {number}", f"/offers?mark={quote(text)}", FINE)
        yield _asks(f"sql in an id {number}", f"/offers/{quote(text, safe='')}", frozenset({404}))
    for number, text in enumerate(SQL[:6]):
        yield _asks(f"sql in sort {number}", f"/offers?sort={quote(text)}")
        yield _asks(f"sql in fields {number}", f"/offers?fields={quote(text)}")
        yield _asks(f"sql in a name of a parameter {number}", f"/offers?{quote(text)}=1")
        yield _asks(
            f"sql in the platform of auto-api {number}", f"/api/v2/{quote(text, safe='')}/offers?page=1", REFUSED
        )


def words() -> Iterator[Attack]:
    """Patterns and odd letters wherever words are searched."""
    for number, text in enumerate(PATTERNS):
        yield _asks(f"pattern in q {number}", f"/offers?q={quote(text)}", frozenset({200, 422}))
        yield _asks(f"pattern in search {number}", f"/search?q={quote(text)}", frozenset({200, 422}))
        yield _asks(f"pattern in a name {number}", f"/products?name={quote(text)}", FINE)
    for number, text in enumerate(UNICODE):
        yield _asks(f"unicode in q {number}", f"/offers?q={quote(text)}", frozenset({200, 422}))
        yield _asks(f"unicode in search {number}", f"/search?q={quote(text)}", frozenset({200, 422}))
    for path in ("/offers?mark=", "/offers?city=", "/products?name=", "/info?name=", "/search?q=a"):
        yield _asks(f"a NUL in {path}", f"{path}a%00b")
    yield _asks("a NUL for auto-api", "/api/v2/che168/offers?page=1&mark=a%00b")
    yield _asks("no utf-8", "/offers?mark=%FF%FE")
    yield _asks("overlong utf-8", "/offers?mark=%C0%AE")
    yield _asks("a surrogate", "/offers?mark=%ED%A0%80")
    yield _asks("a percent that ends early", "/offers?mark=%2", FINE)


def numbers() -> Iterator[Attack]:
    """Numbers that are too large, or none."""
    for number, text in enumerate(NUMBERS):
        yield _asks(f"number in limit {number}", f"/offers?limit={quote(text, safe='%')}")
        yield _asks(
            f"number in change_id {number}", f"/changes?change_id={quote(text, safe='%')}", frozenset({200, 422})
        )
    for name in ("price_from=1e10", "price_from=99999999999999", "price_from=-1", "year_from=99999", "page=10002"):
        yield _asks(f"out of bounds: {name}", f"/offers?{name}")
    yield _asks("a page too deep", "/offers?page=5000&limit=100")
    yield _asks("a page of auto-api too deep", "/api/v2/che168/offers?page=1000001")
    yield _asks("a year before all years", "/change_id?date=0000-01-01")


def parameters() -> Iterator[Attack]:
    """Parameters twice, unknown, too many."""
    yield _asks("a parameter twice", "/offers?limit=1&limit=2")
    yield _asks("a parameter twice, encoded", "/offers?limit=1&%6Cimit=2")
    yield _asks("a parameter as an array", "/offers?limit[]=1")
    yield _asks("an unknown parameter", "/offers?prise_from=1")
    yield _asks("parameters beyond number", "/offers?" + "&".join(f"a{n}=1" for n in range(500)))
    yield _asks("a semicolon between parameters", "/offers?limit=1;limit=2")
    yield _asks("a line break in a parameter", "/offers?mark=a%0D%0ASet-Cookie:%20x")
    yield _asks("a line break in an id", "/offers/a%0D%0AX-Evil:%201")
    yield _asks("html in a parameter's name", "/offers?%3Cscript%3E=1")
    yield _asks(
        "html in a filter of the page", "/info?name=%3Cscript%3Ealert(1)%3C/script%3E", FINE, b"Accept: text/html"
    )
    yield _asks("html in a wrong filter of the page", "/info?sort=%3Cscript%3E", frozenset({422}), b"Accept: text/html")


def paths() -> Iterator[Attack]:
    """Ways out of the tree, and around the gate."""
    away = frozenset({401, 404, 422})
    for path in (
        *("/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/offers/../../etc/passwd", "/docs/..%5c..%5cwindows"),
        *("/offers/%2e%2e", "/%2e%2e/offers", "//offers", "/offers//1", "/./offers", "/offers/%00", "/offers%00"),
        *(
            "/api/v2/../../offers",
            "/static/../app.py",
            "/.git/config",
            "/.env",
            "/config.yaml",
            "/offers/1/../../status",
        ),
        "/docs_page.html",
    ):
        yield _asks(f"path {path}", path, away)
    for path in ("/health/live/../../offers", "/health/live%2f..%2f..%2foffers", "//health/live", "/HEALTH/live"):
        yield _raw(f"around the gate {path}", a_request(path.encode()), right=frozenset({401}))
    yield _raw("around the gate by a full address", a_request(b"http://x/offers"), right=frozenset({401}))
    yield _raw("a path that is no ASCII", a_request("/offers/ü".encode(), TOKEN_HEADER))
    yield _asks("an address of 5,000 bytes", "/offers?mark=" + "a" * 5000, frozenset({414}))
    yield _asks("an address of 300,000 bytes", "/offers?mark=" + "a" * 300_000, frozenset({414}))
    yield _asks("an address of 5,000 bytes for auto-api", "/api/v2/che168/offers?mark=" + "a" * 5000, frozenset({414}))


def tokens() -> Iterator[Attack]:
    """Tokens that are none, and more than one."""
    for number, token in enumerate(
        (
            *(b"", b"null", b"undefined", TOKEN.encode()[:-1], TOKEN.encode() + b"0", TOKEN.swapcase().encode()),
            *(
                b"0000000000000" + b"000",
                OTHER_TOKEN.encode(),
                b"a" * 8000,
                b"\xff\xfe",
                b"' OR 1=1 --",
                b"eyJhbGciOiJub25lIn0.e30.",
            ),
        )
    ):
        yield _raw(f"token {number}", a_request(b"/offers", b"X-API-Key: " + token), right=frozenset({401}))
    yield _raw("basic", a_request(b"/offers", b"Authorization: Basic YTpi"), right=frozenset({401}))
    yield _raw("a cookie", a_request(b"/offers", b"Cookie: token=" + TOKEN.encode()), right=frozenset({401}))
    for target in (b"/offers?api_key=", b"/api/v3/che168/offers?api_key=", b"/api/v2?api_key="):
        yield _raw(f"a token in {target.decode()}", a_request(target + TOKEN.encode()), right=frozenset({401}))
    yield _raw("two tokens", a_request(b"/offers", TOKEN_HEADER, b"X-API-Key: " + OTHER_TOKEN.encode()))
    yield _raw("a token twice", a_request(b"/offers", TOKEN_HEADER, TOKEN_HEADER))
    twice = b"/api/v2/che168/offers?page=1&api_key=" + TOKEN.encode()
    yield _raw("a token in the address twice", a_request(twice + b"&api_key=" + TOKEN.encode()))


def all_attacks() -> list[Attack]:
    """Return every attack on what a request says; those on how it is said stand in `wire_attacks`."""
    return [*sql(), *words(), *numbers(), *parameters(), *paths(), *tokens()]
