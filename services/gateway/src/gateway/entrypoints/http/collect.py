"""`GET /collect-data`: the three reference sources, asked at once."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import FastAPI, Request, Response

from gateway.core import parameters
from gateway.core.aggregate import FanOut, Question
from gateway.core.parameters import NO_PARAMETERS
from gateway.core.ports import RecordSource
from gateway.core.reference import ReferenceRecord, merged
from gateway.entrypoints.http.error_map import INVALID_PARAMETERS
from gateway.entrypoints.http.models import ReferenceRecords
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs

SOURCES_HEADER: Final = "X-Sources"


def add_collect(app: FastAPI, sources: Sequence[RecordSource], fan_out: FanOut) -> None:
    """Serve what the sources hold together."""
    questions: Mapping[str, Question[Sequence[ReferenceRecord]]] = {source.name: source.records for source in sources}

    async def collect_data(request: Request) -> Response:
        """Return the records of three sources, which are asked at once, sorted by id.

        A source that fails, or takes over 2 seconds, is missing data and no error; the header `X-Sources` names it.
        """
        parameters.read(query_pairs(request), NO_PARAMETERS)
        gathered = await fan_out.ask(questions)
        body = [{"id": record.id, "name": record.name} for record in merged(gathered.answers)]
        headers = {SOURCES_HEADER: gathered.summary(questions)}
        return json_response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), headers)

    add_route(
        app,
        "/collect-data",
        collect_data,
        answer=ReferenceRecords,
        problems=(INVALID_PARAMETERS,),
        tag="reference",
    )
