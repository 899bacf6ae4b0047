"""A shop's lists over real sockets: what is asked, with which credentials, and what nobody may read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from tests.integration.fetcher.raw_server import Answer, RawServer, raw_server, sending, whole

from common.settings import ShopSettings
from common.testing.clock import VirtualClock
from fetcher.adapters.http_json import BoundedHttp
from fetcher.adapters.shop import HttpShop
from fetcher.core.errors import Cause, UpstreamError
from fetcher.core.shop import ListName
from fetcher.settings import shop_address_of

pytestmark = pytest.mark.integration

LIST = sending(whole("200 OK", body=b'{"status":"ok","products":[{"Product_ID":7}]}'))


@asynccontextmanager
async def shop_at(*answers: Answer, user: str = "", query: str = "") -> AsyncIterator[tuple[HttpShop, RawServer]]:
    """Open the fetcher's way to a shop."""
    async with raw_server(*answers) as server:
        url = server.url.replace("//", f"//{user}") + query
        address = shop_address_of("bot_igor", ShopSettings(url=SecretStr(url)))
        async with BoundedHttp(
            address.base_url,
            parameters=address.parameters,
            deadline_s=5,
            max_body_bytes=1000,
            clock=VirtualClock(),
            authorization=address.authorization,
        ) as http:
            yield HttpShop(http), server


async def test_each_list_and_each_further_page_is_asked_by_name() -> None:
    async with shop_at(LIST, LIST, LIST) as (shop, server):
        page = await shop.page(ListName.MAIN, 1)
        await shop.page(ListName.OTHERS, 1)
        await shop.page(ListName.OTHERS, 2)
    assert [product.inner_id for product in page.products] == ["7"]
    asked = [head.splitlines()[0].split()[1].partition("?")[2] for head in server.requests]
    assert asked == ["on_main=true", "on_main=false", "on_main=false&page=2"]


async def test_credentials_of_the_address_are_sent() -> None:
    async with shop_at(LIST, user="me:word@", query="?token=t&on_main=true") as (shop, server):
        await shop.page(ListName.OTHERS, 1)
    assert server.requests[0].splitlines()[0] == "GET /api/v2/che168?on_main=false&token=t HTTP/1.1"
    assert "authorization: basic bwu6d29yza==" in server.requests[0].lower()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (whole("500 Oops", body=b"<html>"), Cause.SERVER_ERROR),
        (whole("302 Found", headers="Location: http://127.0.0.1:1/?token=canary\r\n"), Cause.REDIRECT),
        (whole("401 No"), Cause.UNAUTHORIZED),
        (whole("200 OK", body=b'{"status":"error","message":"locked"}'), Cause.NOT_OK),
        (whole("200 OK", body=b'{"status":"ok","products":[' + b" " * 2000 + b"]}"), Cause.TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", Cause.CUT_BODY),
    ],
)
async def test_a_failure_has_its_cause_and_tells_nothing_of_the_address(answer: bytes, cause: Cause) -> None:
    async with shop_at(sending(answer), user="canary:canary@", query="?token=canary") as (shop, _):
        with pytest.raises(UpstreamError) as caught:
            await shop.page(ListName.MAIN, 1)
    assert caught.value.cause is cause
    assert "canary" not in str(caught.value) + repr(caught.value.__context__) + repr(caught.value.__cause__)
