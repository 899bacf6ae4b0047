"""The contract as it is published: complete, stable, and a page that needs nothing from elsewhere."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.contract.gateway.fakes import a_client, some_parts

from gateway.core.query import PARAMETERS
from gateway.entrypoints.http.error_map import ALL_KINDS
from gateway.entrypoints.http.export import MEDIA_TYPES

pytestmark = pytest.mark.unit


async def published() -> dict[str, Any]:
    """Return openapi.json."""
    async with a_client(await some_parts()) as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
        return document


async def page() -> tuple[str, str]:
    """Return the page and its Content-Security-Policy."""
    async with a_client(await some_parts()) as client:
        answer = await client.get("/docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer.text, answer.headers["Content-Security-Policy"]


async def test_operations_have_stable_names() -> None:
    operations = {path: item["get"]["operationId"] for path, item in (await published())["paths"].items()}
    assert operations == {
        "/changes": "list_changes",
        "/change_id": "change_id",
        "/offers/stream": "stream_changes",
        "/offers": "list_offers",
        "/offers/facets": "offer_facets",
        "/offers/export": "export_offers",
        "/filters": "source_filters",
        "/offers/{inner_id}": "get_offer",
        "/offers/{inner_id}/provenance": "get_provenance",
        "/products": "list_products",
        "/products/{product_id}": "get_product",
        "/categories": "list_categories",
        "/collect-data": "collect_data",
        "/search": "search",
        "/api/v2/{platform}/filters": "autoapi_filters",
        "/api/v2/{platform}/offers": "autoapi_offers",
        "/api/v2/{platform}/offer": "autoapi_offer",
        "/api/v2/{platform}/change_id": "autoapi_change_id",
        "/api/v2/{platform}/changes": "autoapi_changes",
        "/info": "info",
        "/stats": "stats",
        "/status": "status",
        "/metrics": "metrics",
        "/health/live": "live",
        "/health/ready": "ready",
    }


async def test_each_filter_is_documented_with_bounds_and_an_example() -> None:
    listed = (await published())["paths"]["/offers"]["get"]["parameters"]
    assert [parameter["name"] for parameter in listed] == list(PARAMETERS)
    assert all(parameter["description"] and parameter["schema"]["type"] for parameter in listed)
    assert all("example" in parameter for parameter in listed if parameter["name"] != "cursor")
    limit = next(parameter for parameter in listed if parameter["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}


async def test_only_probes_are_documented_as_open() -> None:
    document = await published()
    assert document["security"] == [{"bearer": []}, {"api_key": []}]
    is_open = {path for path, item in document["paths"].items() if item["get"].get("security") == []}
    assert is_open == {"/health/live", "/health/ready", "/metrics"}


async def test_every_reference_leads_somewhere() -> None:
    document = await published()
    named = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert named <= set(document["components"]["schemas"])
    assert "Problem" in named


async def test_errors_are_documented_as_problems() -> None:
    document = await published()
    for path, item in document["paths"].items():
        for status, response in item["get"]["responses"].items():
            if status == "304":
                continue
            if "$ref" in response:
                response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]  # noqa: PLW2901 - followed
            good = {"/metrics": "text/plain", "/info": "text/plain", "/offers/stream": "text/event-stream"}.get(
                path, "application/json"
            )
            errors = "application/json" if path.startswith("/api/v2/") else "application/problem+json"
            expected = {good} if status == "200" else {errors}
            if (path, status) == ("/offers/export", "200"):
                expected = set(MEDIA_TYPES.values())
            assert set(response["content"]) == expected, (path, status)


async def test_every_problem_links_to_its_place_on_the_page() -> None:
    text, _ = await page()
    assert all(f'id="{kind.type.removeprefix("/docs#")}"' in text for kind in ALL_KINDS)


async def test_the_page_asks_no_other_server_and_runs_nothing() -> None:
    text, policy = await page()
    assert not re.search(r"<script|<iframe|<img|@import|url\(|\son\w+=", text)
    assert set(re.findall(r'(?:href|src)="(?!#)([^"]*)"', text)) == {"data:,", "/openapi.json"}
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")


async def test_the_page_shows_each_endpoint_and_parameter_and_is_well_formed() -> None:
    text, _ = await page()
    assert all(f"<code>{name}</code>" in text for name in PARAMETERS)
    assert "GET</b> /offers/{inner_id}" in text

    class Balance(HTMLParser):
        depth: list[str] = []  # noqa: RUF012 - one page, one parser

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the signature is the parser's
            if tag not in {"meta", "link"}:
                self.depth.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.depth.pop() == tag

    Balance().feed(text)
    assert Balance.depth == []


async def test_examples_of_parameters_are_shown_as_they_are_sent() -> None:
    text, _ = await page()
    samples = re.findall(r"<code>(is_dealer|fields)</code></td>.*?<code>([^<]*)</code></td></tr>", text)
    assert set(samples) == {("is_dealer", "true"), ("fields", "inner_id,price")}


async def test_every_request_that_the_page_shows_says_all_that_is_needed() -> None:
    text, _ = await page()
    shown = [html.unescape(found) for found in re.findall(r"<pre>curl [^<]*?http://127\.0\.0\.1:5555([^\"<]*)", text)]
    assert len(shown) == len((await published())["paths"])
    async with a_client(await some_parts()) as client:
        asked = [(path, (await client.get(path)).status_code) for path in shown if path != "/offers/stream"]
    assert [path for path, status in asked if status in {400, 401, 422}] == []
