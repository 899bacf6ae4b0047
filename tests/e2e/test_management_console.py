"""The walks of docs/operations.md, section *The console*, in a real browser as the user `operator`.

What is clicked and typed are the words of the document: where a form asks for something else, or a right is missing,
the document is wrong. The console counts every 5 s, so what needs its numbers comes last.
"""

import re
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import aio_pika
import httpx
import pytest
from playwright.async_api import Locator, Page, async_playwright
from tests.e2e.road import Road, roles_of, until
from tests.forking import Upstream

from common import topology
from common.events import encode
from common.settings import DatabaseSettings
from common.testing.pages import a_page, a_record
from sandbox.stack import Stack

PAGES: Final = 8
SLOW: Final = [{"kind": "delay", "endpoint": "offers", "seconds": 1, "nth": 3, "times": None}]
"""The upstream answers the first two pages at once and takes its time for the others."""
PROGRAM: Final = shutil.which("chromium")
PATIENCE_MS: Final = 60_000
POPUP: Final = ".form-popup-info, .form-popup-warn"
POLICY_QUEUES: Final = {
    "work": {topology.RAW_QUEUE},
    "keep": {topology.DEAD_QUEUE, topology.UNROUTED_QUEUE},
    "commands": {topology.COMMANDS_QUEUE},
    "events": {topology.EVENTS_QUEUE},
}
KEEP_PATTERN: Final = r"^(normalizer\.raw\.dead|feedmill\.unrouted)$"
TWO_GIB: Final = str(2**31)


@dataclass(frozen=True, slots=True)
class Console:
    """The management console of one virtual host, as a person uses it."""

    page: Page

    async def tab(self, name: str) -> None:
        """Click on a tab."""
        await self.page.locator("#tabs").get_by_role("link", name=name, exact=True).click()
        await self.page.locator("h1").filter(has_text="Policies" if name == "Admin" else name).wait_for()

    async def go(self, tab: str, name: str) -> None:
        """Click on a tab, and there on a name."""
        await self.tab(tab)
        await self.page.locator("table.list").get_by_role("link", name=name, exact=True).click()
        await self.page.locator("h1 b", has_text=name).first.wait_for()

    async def section(self, name: str) -> Locator:
        """Return a section of the page, opened by a click on its name unless it is open already."""
        heading = self.page.locator("h2", has_text=re.compile(f"^{re.escape(name)}$"))
        inside = heading.locator("xpath=following-sibling::*[contains(@class, 'hider')]")
        if not await inside.is_visible():
            await heading.click()
        return inside

    async def said(self) -> str:
        """Return what the console says to what was pressed, and close it."""
        popup = self.page.locator(POPUP)
        text = await popup.inner_text()
        await popup.get_by_text("Close").click()
        await popup.wait_for(state="detached")
        return text.removesuffix("Close").strip()

    async def publish(self, payload: str, *, routing_key: str = "fetcher.command") -> str:
        """Send an order, and return what the console says."""
        await self.go("Exchanges", topology.COMMANDS_EXCHANGE)
        form = await self.section("Publish message")
        await row(form, "Routing key:").locator("input").fill(routing_key)
        await row(form, "Payload:").locator("textarea").fill(payload)
        await form.get_by_role("button", name="Publish message").click()
        return await self.said()

    async def messages(self, queue: str, *, ack_mode: str | None = None) -> list[tuple[str, str]]:
        """Return properties (with the routing key) and payload of up to ten messages of a queue."""
        await self.go("Queues", queue)
        form = await self.section("Get messages")
        mode = row(form, "Ack Mode:").locator("select")
        assert await mode.locator("option").first.inner_text() == "Nack message requeue true"
        if ack_mode:
            await mode.select_option(label=ack_mode)
        await row(form, "Messages:").locator("input").fill("10")
        async with self.page.expect_response(lambda answer: answer.url.endswith("/get")) as answer:
            await form.get_by_role("button", name="Get Message(s)").click()
        number = len(await (await answer.value).json())
        if not number:
            assert await self.said() == "Queue is empty"
        shown = self.page.locator("#msg-wrapper .box")
        await until(lambda: _counts(shown, number), within_s=60, what=f"{number} messages on the screen")
        return [
            (await one.locator("table.facts").inner_text(), await one.locator("pre").inner_text())
            for one in await shown.all()
        ]


def row(form: Locator, label: str) -> Locator:
    """Return the row of a form that has a label."""
    return form.locator("tr").filter(has=form.page.get_by_text(label, exact=True)).last


async def _counts(shown: Locator, number: int) -> bool:
    return await shown.count() == number


@pytest.fixture(scope="module")
def road(stack: Stack, module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """An upstream, and every service."""
    if PROGRAM is None:
        pytest.skip("no chromium is installed")
    name = f"test_{secrets.token_hex(4)}"
    with Upstream("--offers", str(20 * PAGES), "--quirks", "off") as upstream:
        folder = tmp_path_factory.mktemp("road")
        road = Road(module_database, stack.create_vhost(name), upstream, folder, roles=roles_of(stack))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        for service in ("fetcher", "normalizer", "gateway"):
            road.start(service, "run", API_PORT=port)
        yield road
        road.stop()
        stack.delete_vhost(name)


@pytest.fixture(scope="module")
async def dead_letters(road: Road) -> None:
    """Two dead letters: of a platform that nobody knows, and one whose cause is gone."""
    stranger, page = a_page([a_record()], platform="avito", position=7), a_page([a_record("mended-1")], position=8)
    for user, exchange, key, event in (
        ("fetcher", topology.RAW_EXCHANGE, "raw.avito.page", stranger),
        ("normalizer", topology.DEAD_EXCHANGE, topology.DEAD_KEY, page),
    ):
        async with await aio_pika.connect(road.vhost.urls[user]) as connection, connection.channel() as channel:
            target = await channel.get_exchange(exchange, ensure=False)
            await target.publish(aio_pika.Message(encode(event), message_id=event.message_id), key)


@pytest.fixture(scope="module")
async def console(stack: Stack, road: Road, dead_letters: None) -> AsyncIterator[Console]:
    """The Chromium that is installed, with the operator logged in; nothing is downloaded."""
    del dead_letters  # they are counted while the first walks are taken
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.on("dialog", lambda dialog: dialog.accept())
        await page.goto(f"http://127.0.0.1:{stack.state.ports['management']}/")
        await page.locator("input[name=username]").fill("operator")
        await page.locator("input[name=password]").fill(stack.state.passwords["operator"])
        await page.get_by_role("button", name="Login").click()
        await page.locator("#show-vhost").select_option(road.vhost.name)
        yield Console(page)
        await browser.close()


async def test_the_fetcher_is_paused_and_goes_on_without_a_loss(console: Console, road: Road) -> None:
    fetcher = road.services[0]
    async with httpx.AsyncClient() as upstream, road.connection() as connection:
        (await upstream.post(f"{road.upstream.admin}/faults", json=SLOW)).raise_for_status()
        assert await console.publish("pause", routing_key="fetchr.command") == "Message published, but not routed."
        assert await console.publish('{"command": "initial-load", "platform": "che168"}') == "Message published."
        await until(lambda: "Starting page 1" in fetcher.said(), within_s=60, what="the load")
        assert await console.publish("pause") == "Message published."
        await until(lambda: _is_last(console, "fetcher.pause.done"), within_s=60, what="the pause")
        *_, (_, answer) = await console.messages(topology.EVENTS_QUEUE)
        assert "paused; initial-load has stopped" in answer
        (await upstream.delete(f"{road.upstream.admin}/faults")).raise_for_status()
        await road.landed()
        assert 0 < await connection.fetchval("SELECT count(*) FROM raw_data") < 20 * PAGES
        assert await console.publish("resume") == "Message published."
        await until(lambda: _is_last(console, "fetcher.initial-load.done"), within_s=60, what="the end of the load")
        await road.landed()
        landed = {row["inner_id"] for row in await connection.fetch("SELECT inner_id FROM raw_data")}
    assert await road.truth()
    assert set(await road.truth()) <= landed
    assert await console.messages(topology.EVENTS_QUEUE, ack_mode="Automatic ack")
    assert await console.messages(topology.EVENTS_QUEUE) == []


async def _is_last(console: Console, routing_key: str) -> bool:
    shown = await console.messages(topology.EVENTS_QUEUE)
    return bool(shown) and routing_key in shown[-1][0]


async def test_a_policy_is_changed(console: Console) -> None:
    await console.tab("Admin")
    await console.page.locator("#rhs").get_by_role("link", name="Policies", exact=True).click()
    form = await console.section("Add / update a policy")
    await row(form, "Name:").locator("input").fill("keep")
    await row(form, "Pattern:").locator("input").fill(KEEP_PATTERN)
    await row(form, "Apply to:").locator("select").select_option(label="Queues")
    await row(form, "Priority:").locator("input").fill("10")
    typed = {"Max length bytes": TWO_GIB, "Overflow behaviour": "reject-publish", "Delivery limit": "1000000"}
    for number, (word, value) in enumerate(typed.items()):
        await form.get_by_text(word, exact=True).click()
        await form.locator("#definition tr").nth(number).locator("input[type=text]").last.fill(value)
    await form.get_by_role("button", name="Add / update policy").click()
    await console.page.locator("table.list tr", has_text="keep").filter(has_text=TWO_GIB).wait_for()


async def test_what_the_operator_must_not_do_is_refused(console: Console) -> None:
    await console.go("Queues", topology.UNROUTED_QUEUE)
    form = await console.section("Delete")
    await form.get_by_role("button", name="Delete Queue", exact=True).click()
    assert await console.said() == "Access refused."


async def test_a_dead_letter_is_looked_at_and_moved_back(console: Console, road: Road) -> None:
    await until(lambda: _shows(console, "2"), within_s=60, what="Ready: 2")
    for _ in range(2):  # looking removes nothing
        (stranger, payload), (mended, _payload) = sorted(
            await console.messages(topology.DEAD_QUEUE), key=lambda message: "che168" in message[0]
        )
        assert "avito:page:7:run1" in stranger
        assert re.search(r"x-reason:\s+unknown_platform", stranger)
        assert re.search(r"x-original-routing-key:\s+raw.avito.page", stranger)
        assert '"platform":"avito"' in payload
        assert "che168:page:8:run1" in mended
    form = await console.section("Move messages")
    await row(form, "Destination queue:").locator("input[type=text]").fill(topology.RAW_QUEUE)
    await form.get_by_role("button", name="Move messages").click()
    async with road.connection() as connection:

        async def landed() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM raw_data WHERE inner_id = 'mended-1'"))

        await until(landed, within_s=60, what="the mended page")

    async def is_back() -> bool:
        return [("avito" in facts) for facts, _ in await console.messages(topology.DEAD_QUEUE)] == [True]

    await until(is_back, within_s=60, what="what cannot be landed is back, and alone")


async def _shows(console: Console, number: str) -> bool:
    await console.tab("Queues")
    name = console.page.get_by_role("link", name=topology.DEAD_QUEUE, exact=True)
    line = console.page.locator("table.list tbody tr").filter(has=name)
    return await line.locator("td.r").first.inner_text() == number


async def test_connections_exchanges_queues_and_policies_explain_themselves(console: Console) -> None:
    here = socket.gethostname()
    names = {f"{service}@{here}" for service in ("fetcher", "normalizer", "gateway")}

    async def everybody_is_there() -> bool:
        await console.tab("Connections")
        return set(await console.page.locator("table.list td sub").all_inner_texts()) == names

    await until(everybody_is_there, within_s=60, what=f"connections of {names}")
    await console.tab("Exchanges")
    shown = await console.page.locator("table.list a[href*='/exchanges/']").all_inner_texts()
    assert {name for name in shown if not name.startswith(("amq.", "("))} == set(topology.EXCHANGES)
    await console.tab("Queues")
    policies = {
        await line.get_by_role("link").first.inner_text(): await line.get_by_role("link").last.inner_text()
        for line in await console.page.locator("table.list tbody tr").all()
    }
    own = {policies.pop(name) for name in list(policies) if name.startswith(topology.catalog_queue(here))}
    assert own == {"gateway-catalog"}
    assert policies == {queue: policy for policy, queues in POLICY_QUEUES.items() for queue in queues}

    async def two_gib_are_in_force() -> bool:
        await console.go("Queues", topology.DEAD_QUEUE)
        heading = console.page.get_by_text("Effective policy definition", exact=True)
        return TWO_GIB in await console.page.locator("tr", has=heading).last.inner_text()

    await until(two_gib_are_in_force, within_s=60, what="the changed policy in the queue's definition")
