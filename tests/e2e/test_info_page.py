"""`/info` in a real browser: with mouse, keyboard and telephone, and with an upstream that attacks."""

import re
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, Response, Route, async_playwright
from tests.e2e.road import Road, until
from tests.forking import Upstream

from common.settings import DatabaseSettings
from common.testing.offers import a_processed_offer, store_offers
from sandbox.stack import Stack

PRODUCTS: Final = 45
SIZES: Final = {"wide": (1280, 900), "telephone": (375, 812)}
FIELDS: Final = ("name", "category", "mark", "price_from", "price_to", "on_main", "sort")
EVIL: Final = "<img src=x onerror=document.title='run'><script>document.title='run'</script>" + "W" * 120
PRODUCT_COLUMNS: Final = ("Picture", "Name", "Price", "Categories", "Marks", "Main page")
OFFER_COLUMNS: Final = ("Offer", "Price", "Year", "Mileage", "City", "From")
STORE_EVIL: Final = "UPDATE products SET name = $1 WHERE product_id = '7'"
PROGRAM: Final = shutil.which("chromium")
FOCUS: Final = """() => {
    const here = document.activeElement, style = getComputedStyle(here)
    return [here.id || here.textContent, style.outlineStyle, parseFloat(style.outlineWidth)]
}"""
"""What has the focus, and how it is marked."""
IN_WINDOW: Final = """() => {
    const place = document.activeElement.getBoundingClientRect()
    return place.top > -1 && place.bottom < innerHeight + 1 && place.width > 0
}"""
"""Whether the browser has scrolled to it, but for a part of a point."""
LOADED: Final = "[...document.images].every(image => image.complete)"
PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0500f0004850180844f7ad90000000049454e44ae426082"
)
"""A picture of one point, PNG."""


@pytest.fixture(scope="module")
def port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def road(stack: Stack, module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A road from a marketplace and a shop."""
    name = f"test_{secrets.token_hex(4)}"
    with Upstream("--offers", "1", "--shop", str(PRODUCTS)) as upstream:
        road = Road(module_database, stack.create_vhost(name), upstream, tmp_path_factory.mktemp("road"))
        yield road
        road.stop()
        stack.delete_vhost(name)


@pytest.fixture(scope="module")
async def address(road: Road, port: int) -> str:
    """The page of a gateway over what a snapshot has brought, with a name that is an attack, and offers."""
    if PROGRAM is None:
        pytest.skip("no chromium is installed")
    shop = road.start("fetcher", "shop-sync", SHOP_API_URL=road.upstream.shop_url)
    road.start("normalizer", "run")
    road.start("gateway", "run", API_PORT=str(port))
    await store_offers(road.database, [a_processed_offer(inner_id=str(n), title=f"车 {n}") for n in range(45)])
    await until(lambda: shop.process.poll() == 0, within_s=60, what="the snapshot")
    await road.landed()
    async with road.connection() as connection:
        assert await connection.execute(STORE_EVIL, EVIL) == "UPDATE 1"
    page = f"http://127.0.0.1:{port}/info"
    await until(lambda: _answers(page), within_s=60, what="the gateway answers")
    return page


@pytest.fixture(scope="module")
async def browser(address: str) -> AsyncIterator[Browser]:
    """The Chromium that is installed, when there is something to see; nothing is downloaded."""
    assert address
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def pages(browser: Browser) -> AsyncIterator[Mapping[str, Page]]:
    """A tab of each size; every second picture of the shop is broken, and no tab may ask elsewhere."""
    asked = set[str]()

    async def answer(route: Route) -> None:
        url = urlsplit(route.request.url)
        asked.add(str(url.hostname))
        if url.hostname == "127.0.0.1":
            await route.continue_()
        elif int(url.path.split("/")[-2]) % 2:
            await route.fulfill(body=PIXEL, content_type="image/png")
        else:
            await route.abort()

    made: dict[str, Page] = {}
    for size, (width, height) in SIZES.items():
        made[size] = await browser.new_page(viewport={"width": width, "height": height})
        await made[size].route("**/*", answer)
    yield made
    assert asked == {"127.0.0.1", "shop.example"}


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, pages: Mapping[str, Page]) -> Page:
    """The tab of each size in turn."""
    return pages[request.param]


async def followed(page: Page, way: Locator) -> Response | None:
    """Click on what leads to another page, and return its answer when it is there."""
    async with page.expect_navigation() as navigation:
        await way.click()
    return await navigation.value


async def names(page: Page, section: str = "products") -> list[str]:
    """Return the names in a table."""
    return await page.locator(f"#{section} tbody th").all_inner_texts()


async def prices(page: Page) -> list[float]:
    """Return the prices of the products that have one."""
    texts = await page.locator("#products td.price").all_inner_texts()
    return [float(text.split(" RUB")[0].replace(",", "")) for text in texts if text]


async def test_it_shows_what_is_loaded(pages: Mapping[str, Page], address: str) -> None:
    page = pages["wide"]
    await page.goto(address)
    loaded = await page.locator(".loaded").inner_text()
    assert f"{PRODUCTS} products" in loaded
    assert "45 offers of che168" in loaded
    assert len(await names(page)) == len(await names(page, "offers")) == 20


async def test_filters_order_and_pages_work_together(pages: Mapping[str, Page], address: str) -> None:
    page = pages["wide"]
    await page.goto(address)
    await page.get_by_label("Order").select_option("cheapest first")
    await followed(page, page.get_by_role("button", name="Show"))
    seen = await prices(page)
    while await page.locator("#products a[rel=next]").count():
        await followed(page, page.locator("#products a[rel=next]"))
        seen += await prices(page)
    assert seen == sorted(seen)
    assert len(seen) > 40
    wanted = (await names(page))[-1]
    await page.get_by_label("Name").fill(wanted.upper())
    async with page.expect_navigation():
        await page.get_by_label("Name").press("Enter")
    assert await names(page) == [wanted]
    assert await page.get_by_label("Name").input_value() == wanted.upper()
    assert await page.get_by_label("Order").input_value() == "price"
    await followed(page, page.get_by_role("link", name="Clear"))
    first = await names(page, "offers")
    await followed(page, page.locator("#offers a[rel=next]"))
    assert not set(first) & set(await names(page, "offers"))
    assert urlsplit(page.url).fragment == "offers"


async def test_a_wrong_filter_says_which_and_why_and_the_form_keeps_what_was_typed(page: Page, address: str) -> None:
    await page.goto(address)
    await page.get_by_label("Name").fill("vase")
    await page.get_by_label("Price from").fill("cheap")
    answer = await followed(page, page.get_by_role("button", name="Show"))
    assert answer is not None
    assert answer.status == 422
    assert "Price from: an amount such as 98000" in await page.get_by_role("alert").inner_text()
    assert await page.get_by_label("Name").input_value() == "vase"
    assert await page.evaluate("document.activeElement.id") == "price_from"
    await page.get_by_label("Price from").fill("1")
    await page.get_by_label("Name").fill("")
    await followed(page, page.get_by_role("button", name="Show"))
    assert len(await names(page)) == 20


async def test_a_name_with_html_is_text_and_nothing_is_wider_than_the_window(page: Page, address: str) -> None:
    for query in ("", "?price_to=much", "?page=9", "?name=nothing", "?name=onerror"):
        await page.goto(address + query)
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0, query
    assert await names(page) == [EVIL]
    assert await page.locator("script, #products img[src=x]").count() == 0
    assert await page.title() == "feedmill: what is loaded"


async def test_a_broken_picture_takes_the_place_of_a_whole_one(page: Page, address: str) -> None:
    await page.goto(address)
    await page.evaluate("for (const image of document.images) image.loading = 'eager'")
    await until(lambda: page.evaluate(LOADED), within_s=60, what="all pictures came or failed")
    assert set(await page.evaluate("[...document.images].map(image => image.naturalWidth > 0)")) == {True, False}
    sizes = "[...document.querySelectorAll('.frame')].map(frame => [frame.offsetWidth, frame.offsetHeight].join())"
    assert set(await page.evaluate(sizes)) == {"56,56"}


async def test_the_keyboard_reaches_everything_in_order_and_one_sees_where_it_is(page: Page, address: str) -> None:
    await page.goto(address)
    seen: list[str] = []
    while not seen or seen[-1] != "the API":
        await page.keyboard.press("Tab")
        await until(lambda: page.evaluate(IN_WINDOW), within_s=60, what=f"one sees what comes after {seen[-1:]}")
        name, *outline = await page.evaluate(FOCUS)
        assert outline == ["solid", 3], name
        seen.append(name)
    assert seen[:11] == ["Skip to the products", *FIELDS, "Show", "Clear", "Next ›"]
    assert len(seen) == 11 + 20 + 2  # the offers, their next page, the API
    await page.goto(address)
    for key in ("Tab", "Enter", "Tab"):
        await page.keyboard.press(key)
    assert await page.evaluate("document.activeElement.rel") == "next"


async def test_labels_and_headings_are_there_for_those_who_do_not_see(page: Page, address: str) -> None:
    await page.goto(address)
    for table, columns in (("Products", PRODUCT_COLUMNS), ("Offers", OFFER_COLUMNS)):
        found = page.get_by_role("table", name=table).get_by_role("columnheader")
        assert await found.all_text_contents() == list(columns)
    assert await page.get_by_role("search", name="Filters").get_by_role("combobox").count() == 4
    assert [await page.get_by_role("navigation").nth(n).get_attribute("aria-label") for n in range(2)] == [
        "Pages of products",
        "Pages of offers",
    ]


async def test_light_and_dark_are_the_systems(pages: Mapping[str, Page], address: str) -> None:
    page = pages["wide"]
    await page.goto(address)
    button = "getComputedStyle(document.querySelector('button')).backgroundColor"
    colours = f"[getComputedStyle(document.body).color, {button}]"
    assert await page.evaluate(colours) == ["rgb(0, 0, 0)", "rgb(11, 87, 208)"]
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(138, 180, 248)"]


async def test_a_terminal_gets_the_same_as_text(address: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = (await client.get(address)).text
    assert f"PRODUCTS: {PRODUCTS} found, page 1 of 3" in answer
    assert re.search(r"^ {8}.1  \S.* RUB$", answer, re.MULTILINE)


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).is_success
    except httpx.TransportError:
        return False
