"""`/info` for browsers and for others: filters, faults, escaping, pages, what is missing."""

import base64
import hashlib
import re
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
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


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
    for word in ("47 products found", "Tulip 54", "Page 1 of 3", "Bouquets", "98,000 CNY", "Newest offers"):
        assert word in page.text, word
    assert page.all("img")[0]["src"] == "https://shop.example/1.jpg"


async def test_others_get_the_same_as_text() -> None:
    answer = await ask("/info?category=bouquets&sort=price&name=rose", {"Accept": "*/*"})
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert "1  Rose  6,500 RUB" in lines
    assert "    picture: https://shop.example/1.jpg" in lines
    assert "products: 1 (page 1 of 1)" in lines


async def test_what_came_from_elsewhere_is_text_and_nothing_else() -> None:
    page = Page((await get("/info?name=alert")).text)
    assert page.all("script") == []
    assert page.text.count('<script>alert("1")') == 4  # a name, a category, a mark, the title of an offer
    assert {attributes["href"] for attributes in page.all("a")} >= {'https://a.example/?a=1&b="x'}
    plain = (await ask("/info?name=alert")).text
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
        ("price_from=cheap", "price_from: Input should be a valid decimal"),
        ("price_from=5&price_to=4", "price_from is greater than price_to"),
        ("price_from=NaN", "price_from: Input should be a finite number"),
        ("price_to=-1", "price_to: Input should be greater than or equal to 0"),
        ("page=0", "page: Input should be greater than or equal to 1"),
        ("page=501", "page: Input should be less than or equal to 500"),
        ("on_main=maybe", "on_main: Input should be 'true' or 'false'"),
        ("sort=id", "sort: Input should be 'newest'"),
        ("nmae=x", "nmae: unknown parameter"),
        ("name=a&name=b", "name: given more than once"),
        ("name=a%00b", "name: control characters are not allowed"),
        (f"name={'x' * 101}", "name: String should have at most 100 characters"),
        ("%3Cscript%3E=1", "<script>: unknown parameter"),
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
    assert f"{found} products found" in Page((await get(f"/info?{query}")).text).text


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


async def test_what_cannot_be_read_is_named_and_the_rest_is_shown() -> None:
    down = UnavailableError("the database does not answer")
    answer = await get(products=FakeProducts(failure=down))
    assert answer.status_code == 200
    assert "Not available now" in answer.text
    assert "98,000 CNY" in answer.text
    assert "not available now: products" in (await ask(products=FakeProducts(failure=down))).text
    nothing = await get(products=FakeProducts(failure=down), offers=FakeOffers(failure=down), status=FakeStatus())
    assert nothing.status_code == 200


async def test_it_is_open_only_where_it_is_so_set() -> None:
    assert (await get(info_open=False)).status_code == 401
    async with a_client(await some_parts(info_open=False)) as client:
        assert (await client.get("/info", headers=BROWSER)).status_code == 200
    assert (await get("/infos")).status_code == 401
