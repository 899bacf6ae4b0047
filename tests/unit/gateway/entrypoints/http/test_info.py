"""`/info` for browsers and for others: filters, faults, escaping, pages, what is missing."""

import base64
import hashlib
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from tests.contract.gateway.fakes import FakeOffers, FakeStatus, a_client, some_parts
from tests.contract.gateway.shop import FakeProducts, a_shop_product

from common.errors import UnavailableError
from common.testing.offers import a_processed_offer

pytestmark = pytest.mark.unit

EVIL = '<script>alert("1")</script>\x1b[2J\u202e'
PRODUCTS = [
    a_shop_product("1", name="Rose", prices=[6500], categories={"1": "Bouquets"}),
    a_shop_product("2", name=EVIL, prices=[], categories={"2": EVIL}, marks={"3": EVIL}, on_main=False),
    *(a_shop_product(str(n), name=f"Tulip {n}", prices=[n]) for n in range(10, 55)),
]
OFFERS = [
    a_processed_offer(inner_id="7", title=EVIL, url='https://a.example/?a=1&b="x'),
    a_processed_offer(mark="Audi"),
]
LOADED = [{"platform": "che168", "active": 1234, "total": 1300}]
RUNS = [
    {"platform": platform, "kind": kind, "status": status, "finished_at": finished}
    for platform, kind, status, finished in (
        ("che168", "initial_load", "done", "2026-11-01T02:07:00+00:00"),
        ("che168", "daily_update", "done", "2026-11-20T02:07:00+00:00"),
        ("che168", "sweep", "failed", "2026-11-20T03:00:00+00:00"),
        ("bot_igor", "snapshot", "done", "2026-11-20T12:00:00+03:00"),
    )
]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class LoadedStatus(FakeStatus):
    """An installation that has loaded something."""

    async def status(self) -> str:
        """Return offers and runs."""
        return json.dumps({"offers": LOADED, "runs": RUNS})


async def get(path: str = "/info", *, token: str | None = None, **known: Any) -> httpx.Response:
    """Ask as a browser does."""
    return await ask(path, BROWSER, token=token, **known)


async def ask(
    path: str = "/info", headers: dict[str, str] | None = None, *, token: str | None = None, **known: Any
) -> httpx.Response:
    """Ask once, without a token."""
    parts = {"products": FakeProducts(PRODUCTS), "offers": FakeOffers(OFFERS), "info_open": True} | known
    async with a_client(await some_parts(**parts), token=token) as client:
        return await client.get(path, headers=headers)


def columns(line: str) -> int:
    """Return how wide a terminal shows a line of Russian, English and Chinese."""
    return sum(2 if "\u4e00" <= character <= "\u9fff" else 1 for character in line)


class Page(HTMLParser):
    """The tags and the text of a page; every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input", "img"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hold it against what is open."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += f"{data} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each tag of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


async def test_a_browser_gets_a_page_with_everything() -> None:
    answer = await get("/info?sort=-name")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Vary"] == "Accept"
    page = Page(answer.text)
    for word in ("47 found", "Tulip 54", "Page 1 of 3", "Bouquets", "98,000 CNY", "Offers"):
        assert word in page.text, word
    assert page.all("img")[0]["src"] == "https://shop.example/1.jpg"


async def test_the_summary_says_what_there_is_in_all_and_since_when() -> None:
    page = Page((await get("/info?name=rose", status=LoadedStatus())).text)
    assert "1,234 offers of che168 updated 2026-11-20 02:07 UTC" in page.text
    assert "47 products updated 2026-11-20 09:00 UTC" in page.text
    assert "1 found" in page.text
    plain = (await ask("/info?name=rose", status=LoadedStatus())).text
    assert "     1,234  offers of che168                2026-11-20 02:07 UTC" in plain.splitlines()


async def test_others_get_the_same_as_text() -> None:
    answer = await ask("/info?category=bouquets&sort=price&name=rose", {"Accept": "*/*"})
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert f"         1  Rose{'6,500 RUB':>64}" in lines
    assert "            https://shop.example/1.jpg" in lines
    assert "PRODUCTS: 1 found, page 1 of 1" in lines


async def test_text_fits_80_columns_and_leads_to_its_next_page() -> None:
    long = a_shop_product("5", name="Ваза 奔驰GLC 级 " * 6 + "x" * 90, prices=[Decimal("1234567.50")])
    answer = (await ask("/info?sort=name&name=%D0%B2", products=FakeProducts([long] * 21))).text
    addresses = [line for line in answer.splitlines() if "://" not in line and not line.startswith("next: ")]
    assert max(columns(line) for line in addresses) == 80
    assert "next: /info?sort=name&name=%D0%B2&page=2" in answer


async def test_what_came_from_elsewhere_is_text_and_nothing_else() -> None:
    page = Page((await get("/info?mark=%3Cscript%3Ealert(%221%22)%3C/script%3E%1b[2J")).text)
    assert page.all("script") == []
    page = Page((await get("/info?name=alert")).text)
    assert page.all("script") == []
    assert page.text.count('<script>alert("1")') == 4  # a name, a category, a mark, the title of an offer
    assert {attributes["href"] for attributes in page.all("a")} >= {'https://a.example/?a=1&b="x'}
    plain = (await ask("/info?name=%3Cscript")).text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", plain)


@pytest.mark.parametrize("path", ["/info", "/info?page=0"])
async def test_the_page_needs_nothing_from_elsewhere_but_the_shops_pictures(path: str) -> None:
    answer = await get(path)
    page, policy = Page(answer.text), answer.headers["Content-Security-Policy"]
    style = answer.text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in policy
    assert {tag for tag, _ in page.tags} & {"script", "iframe", "object", "video"} == set()
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("price_from=cheap", "Price from : an amount such as 98000 or 98000.50 is expected"),
        ("price_from=5&price_to=4", "Price from : is greater than price_to"),
        ("price_from=NaN", "Price from : an amount such as 98000 or 98000.50 is expected"),
        ("price_to=-1", "Price to : an amount such as 98000 or 98000.50 is expected"),
        ("page=0", "page: a whole number from 1 to 500 is expected"),
        ("page=501", "page: a whole number from 1 to 500 is expected"),
        ("on_main=maybe", "Main page : one of true, false is expected"),
        ("sort=id", "Order : one of newest, name, -name, price, -price is expected"),
        ("nmae=x", "nmae: unknown parameter; did you mean name?"),
        ("name=a&name=b", "Name : given more than once"),
        ("name=a%00b", "Name : control characters are not allowed"),
        (f"name={'x' * 101}", "Name : 1 to 100 characters are expected"),
        ("%3Cscript%3E=1", "<script>: unknown parameter; known: "),
    ],
)
async def test_a_wrong_filter_is_said_on_the_page_and_in_a_problem(query: str, said: str) -> None:
    answer = await get(f"/info?{query}")
    page = Page(answer.text)
    assert answer.status_code == 422
    assert said in page.text
    assert page.all("form")
    assert page.all("table") == page.all("script") == []
    problem = await ask(f"/info?{query}")
    assert (problem.status_code, problem.headers["Content-Type"]) == (422, "application/problem+json")


async def test_the_form_keeps_what_was_asked_and_empty_fields_ask_nothing() -> None:
    page = Page((await get("/info?name=%22tul&category=&mark=&price_from=&price_to=&on_main=&sort=name")).text)
    values = {attributes["name"]: attributes["value"] for attributes in page.all("input")}
    assert (values["name"], values["category"]) == ('"tul', "")
    assert [o["value"] for o in page.all("option") if "selected" in o] == ["", "name"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=TULIP", 45),
        ("category=bouquets&name=rose", 1),
        ("mark=new", 46),
        ("price_from=11&price_to=12.00", 2),
        ("on_main=false", 1),
        ("name=nothing", 0),
    ],
)
async def test_filters_hold(query: str, found: int) -> None:
    assert f"{found} found" in Page((await get(f"/info?{query}")).text).text


async def test_pages_are_walked_by_their_links_and_keep_the_filters() -> None:
    seen, address = list[str](), "/info?name=tulip&sort=name"
    while True:
        page = Page((await get(address)).text)
        seen += re.findall(r"Tulip (\d+)", page.text)
        following = [a["href"] for a in page.all("a") if a.get("rel") == "next"]
        if not following:
            break
        address = str(following[0])
    assert seen == [str(n) for n in range(10, 55)]


async def test_offers_have_pages_of_their_own() -> None:
    many = FakeOffers([a_processed_offer(inner_id=str(n), title=f"Car <{n}>", price=n) for n in range(1, 46)])
    page = Page((await get("/info?sort=price&offers_page=3&name=car&category=none", offers=many)).text)
    assert re.findall(r"Car <(\d+)>", page.text) == [str(n) for n in range(41, 46)]
    assert [a["href"] for a in page.all("a") if a.get("rel") in {"prev", "next"}] == [
        "/info?sort=price&offers_page=2&name=car&category=none#offers"
    ]
    assert "Offers have no category" in page.text
    assert "offers have no category or on_main" in (await ask("/info?category=none&on_main=true", offers=many)).text
    assert "Car <45>" in Page((await get("/info?name=%3D%29", offers=many)).text).text  # no word to search
    assert "No offer meets the filters." in (await get("/info?name=nothing", offers=many)).text
    assert "No more offers." in (await get("/info?offers_page=9", offers=many)).text


async def test_a_page_behind_the_last_leads_to_the_last() -> None:
    page = Page((await get("/info?page=9&name=tulip")).text)
    assert "There is no page 9. The last one is 3." in page.text
    assert "/info?page=3&name=tulip#products" in {a["href"] for a in page.all("a")}


async def test_an_empty_installation_says_so() -> None:
    page = Page((await get(products=FakeProducts(), offers=FakeOffers())).text)
    assert "No products are loaded." in page.text
    assert "No offers are loaded." in page.text


async def test_pictures_come_from_their_shops_alone() -> None:
    pictures = (
        "https://b.example:8443/1.jpg",
        "https://b.example:8443/2.jpg",
        "http://студия.бел/3.jpg",
        "https://evil.example;script-src/4.jpg",
        "https://[::broken/5.jpg",
        "https://x.example:99999/6.jpg",
    )
    shop = FakeProducts([a_shop_product(str(n), pictures=[url]) for n, url in enumerate(pictures)])
    policy = (await get(products=shop)).headers["Content-Security-Policy"]
    assert policy.endswith("img-src data: http://xn--d1aizef8e.xn--90ais https://b.example:8443; form-action 'self'")
    assert "img-src data:; form-action" in (await get("/info?page=0")).headers["Content-Security-Policy"]


async def test_a_fault_stands_at_its_field_which_has_the_focus() -> None:
    page = Page((await get("/info?name=rose&price_to=dear&price_from=cheap")).text)
    fields = {attributes["name"]: attributes for attributes in page.all("input")}
    assert [name for name, attributes in fields.items() if "autofocus" in attributes] == ["price_from"]
    assert fields["price_to"]["aria-describedby"] == "price_to-fault"
    assert {"id": "price_to-fault", "class": "fault"} in page.all("span")
    assert "aria-invalid" not in fields["name"]


async def test_what_cannot_be_read_is_named_and_the_rest_is_shown() -> None:
    down = UnavailableError("the database does not answer")
    answer = await get(products=FakeProducts(failure=down))
    assert answer.status_code == 200
    assert "Not available now" in answer.text
    assert "98,000 CNY" in answer.text
    assert "The products cannot be read now." in answer.text
    plain = (await ask(products=FakeProducts(failure=down))).text
    assert "not available now: products" in plain
    assert "PRODUCTS: cannot be read now" in plain
    assert not re.search(r"^ +0  ", plain, re.MULTILINE)  # what was not counted is not none
    assert "OFFERS: cannot be read now" in (await ask(offers=FakeOffers(failure=down))).text
    nothing = await get(products=FakeProducts(failure=down), offers=FakeOffers(failure=down), status=FakeStatus())
    assert nothing.status_code == 200


async def test_it_is_open_only_where_it_is_so_set() -> None:
    assert (await get(info_open=False)).status_code == 401
    async with a_client(await some_parts(info_open=False)) as client:
        assert (await client.get("/info", headers=BROWSER)).status_code == 200
    assert (await get("/infos")).status_code == 401


@pytest.mark.parametrize("letters", ["\u0301", "a\u0301", "я", "車", "\u0301 "], ids=ascii)
async def test_a_book_for_a_name_takes_a_terminal_a_page(letters: str) -> None:
    said = (await ask(products=FakeProducts([a_shop_product("1", name=letters * 5_000)]))).text
    assert len(said) < 4_500
