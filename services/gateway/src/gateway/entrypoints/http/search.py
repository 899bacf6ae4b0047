"""`GET /search`: offers, products and the reference sources, asked at once."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from fastapi import FastAPI, Request, Response

from gateway.core.aggregate import FanOut, Question
from gateway.core.ports import OfferReader, ProductReader, RecordSource
from gateway.core.reference import merged
from gateway.core.search import PARAMETERS, found, read_search
from gateway.entrypoints.http.collect import SOURCES_HEADER
from gateway.entrypoints.http.error_map import INVALID_PARAMETERS, MALFORMED
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs
from gateway.entrypoints.http.shop_models import SearchResult

KINDS: Final = ("offers", "products")


def add_search(
    app: FastAPI, offers: OfferReader, products: ProductReader, sources: Sequence[RecordSource], *, fan_out: FanOut
) -> None:
    """Serve the search."""

    async def search(request: Request) -> Response:
        """Search offers (mark, model, title), products (name) and the reference sources (name) at once.

        A source that fails, or takes over 2 seconds, is missing data and no error: `missing` and the header
        `X-Sources` name it. The newest come first.

        Example: `/search?q=bmw+125i`
        """
        wanted = read_search(query_pairs(request))
        questions: dict[str, Question[Any]] = {
            "offers": partial(offers.search, wanted),
            "products": partial(products.search, wanted),
            **{source.name: source.records for source in sources},
        }
        gathered = await fan_out.ask(questions)
        lists = [f'"{kind}":[{",".join(gathered.answers.get(kind, ()))}]' for kind in KINDS]
        records = merged({name: answer for name, answer in gathered.answers.items() if name not in KINDS})
        rest = {
            "reference": [{"id": record.id, "name": record.name} for record in found(wanted, records)],
            "missing": list(gathered.missing),
        }
        body = f"{{{','.join(lists)},{json.dumps(rest, ensure_ascii=False).removeprefix('{')}"
        return json_response(body, {SOURCES_HEADER: gathered.summary(questions)})

    problems = (MALFORMED, INVALID_PARAMETERS)
    add_route(app, "/search", search, answer=SearchResult, problems=problems, parameters=PARAMETERS, tag="search")
