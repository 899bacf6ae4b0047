"""`GET /offers/{inner_id}/provenance`: by which page, message, run and batch an offer came."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Request, Response
from pydantic import Field

from gateway.core import parameters
from gateway.core.errors import AmbiguousIdError, NotFoundError
from gateway.core.ports import ProvenanceReader
from gateway.core.query import PLATFORM_ONLY
from gateway.entrypoints.http.error_map import (
    AMBIGUOUS,
    INVALID_PARAMETERS,
    MALFORMED,
    NOT_FOUND,
    TIMEOUT,
    UNAVAILABLE,
)
from gateway.entrypoints.http.models import Answer
from gateway.entrypoints.http.routes import add_route, json_response, path_value, query_pairs


class PageOrigin(Answer):
    """The page of the source that changed the record last, and the message that it travelled in."""

    kind: Annotated[str, Field(description="`page`, `change`, `snapshot` or `lookup`", examples=["change"])]
    position: Annotated[int, Field(description="Page number, or the change id asked from", examples=[8350683])]
    message_id: Annotated[str, Field(examples=["che168:change:8350683:20261121T020000-4f1c22"])]
    status: Annotated[str, Field(description="`fetched`, `landed` or `gap`", examples=["landed"])]
    records: Annotated[int, Field(examples=[20])]
    landed: Annotated[int, Field(examples=[20])]
    quarantined: Annotated[int, Field(description="Could not be landed and were put aside", examples=[0])]
    attempts: Annotated[int, Field(description="How often the source was asked", examples=[1])]
    run_id: Annotated[str, Field(examples=["20261121T020000-4f1c22"])]
    fetched_at: datetime | None
    landed_at: Annotated[datetime | None, Field(description="When its batch was landed: the same for all of the batch")]
    trace_id: Annotated[
        str | None,
        Field(
            description="Its trace (OpenTelemetry), from the request to the batch; null: there is none",
            examples=["54b9a0f1d3c24e0e8f7a6b5c4d3e2f10"],
        ),
    ]


class RunOrigin(Answer):
    """The fetcher's run that read the page."""

    run_id: Annotated[str, Field(examples=["20261121T020000-4f1c22"])]
    kind: Annotated[str, Field(examples=["daily_update"])]
    status: Annotated[str, Field(examples=["done"])]
    pages: Annotated[int, Field(examples=[760])]
    records: Annotated[int, Field(examples=[15_204])]
    started_at: datetime
    finished_at: datetime | None


class OfferChange(Answer):
    """A line of `/changes`, which has the old and the new values."""

    change_id: Annotated[int, Field(examples=[3294715])]
    change_type: Annotated[str, Field(description="`added`, `changed` or `removed`", examples=["changed"])]
    changed_at: Annotated[datetime, Field(description="That of its batch, too")]


class Provenance(Answer):
    """Where an offer comes from. Times of the source are its own; all others are ours, in UTC."""

    platform: Annotated[str, Field(examples=["che168"])]
    inner_id: Annotated[str, Field(description="Identity on the platform", examples=["50837332"])]
    source: Annotated[
        str,
        Field(description="`initial_load`, `daily_update`, `snapshot` or `lookup`", examples=["daily_update"]),
    ]
    source_id: Annotated[str | None, Field(description="The source's own row or event id", examples=["8350699"])]
    source_created_at: datetime | None
    change_type: Annotated[str, Field(description="What the newest record said: `added` …", examples=["changed"])]
    version: Annotated[int, Field(description="The newest event id or version that the row knows", examples=[8350699])]
    fetched_at: Annotated[datetime | None, Field(description="When the source's answer was complete")]
    first_landed_at: datetime
    landed_at: Annotated[datetime, Field(description="When the record was changed last, as it came")]
    normalised_at: Annotated[
        datetime | None, Field(description="When the catalogue's row was written last; null: it is to be written")
    ]
    changed_at: Annotated[datetime | None, Field(description="When the catalogue last told of it; null: not kept")]
    waiting: Annotated[bool, Field(description="Whether it is to be normalised", examples=[False])]
    error: Annotated[str | None, Field(description="Why it cannot be normalised", examples=[None])]
    page: Annotated[PageOrigin | None, Field(description="null: the page is kept no longer")]
    run: Annotated[RunOrigin | None, Field(description="null: the page belongs to no run that is known")]
    changes: Annotated[list[OfferChange], Field(description="The last 100 that are kept, the newest first")]


def add_provenance(app: FastAPI, reader: ProvenanceReader) -> None:
    """Serve where offers come from."""

    async def get_provenance(request: Request) -> Response:
        """Tell where an offer comes from: page, message, run and batch, with their times, and its changes.

        All of it is as of one moment. The page is the one that changed the record last, so what one of its fields says
        may be older. Several platforms with the id are a 409, as for the offer itself.
        """
        values = parameters.read(query_pairs(request), PLATFORM_ONLY)
        platform = values.get("platform")
        found = await reader.provenance(path_value(request, "inner_id"), None if platform is None else str(platform))
        if not found:
            raise NotFoundError("no offer has this id")
        if len(found) > 1:
            raise AmbiguousIdError([offer.platform for offer in found])
        return json_response(found[0].body)

    add_route(
        app,
        "/offers/{inner_id}/provenance",
        get_provenance,
        answer=Provenance,
        problems=(NOT_FOUND, AMBIGUOUS, MALFORMED, INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE),
        parameters=PLATFORM_ONLY,
        tag="offers",
    )
