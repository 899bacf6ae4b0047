"""`GET /stats`: how much was loaded and processed, and what went wrong."""

from datetime import date, datetime
from typing import Annotated, Final

from fastapi import FastAPI, Request, Response
from pydantic import Field

from common.clock import Clock
from gateway.core import parameters
from gateway.core.kept import Kept
from gateway.core.parameters import NO_PARAMETERS
from gateway.core.ports import StatsReader
from gateway.entrypoints.http.error_map import TIMEOUT, UNAVAILABLE
from gateway.entrypoints.http.models import Answer
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs

KEPT_S: Final = 30.0


class PlatformStats(Answer):
    """The records of a platform or shop."""

    platform: Annotated[str, Field(examples=["che168"])]
    loaded: Annotated[int, Field(description="Landed as they came, withdrawn ones included", examples=[251_200])]
    processed: Annotated[int, Field(description="Of those, normalised as they are now", examples=[251_198])]
    waiting: Annotated[int, Field(description="Of those, to be normalised", examples=[0])]
    failed: Annotated[int, Field(description="Of those, cannot be normalised; `last_error` says why", examples=[2])]
    quarantined: Annotated[int, Field(description="Could not be landed and were put aside", examples=[1])]
    active: Annotated[int, Field(description="What the list of offers, or of products, shows", examples=[248_903])]


class OperationStats(Answer):
    """All runs of one operation on one platform."""

    operation_type: Annotated[str, Field(description="`data_fetch` or `normalization`", examples=["data_fetch"])]
    platform: Annotated[str | None, Field(description="null: several at once", examples=["che168"])]
    runs: Annotated[int, Field(examples=[31])]
    errors: Annotated[int, Field(description="Runs that ended with errors", examples=[1])]
    records: Annotated[int, Field(examples=[480_112])]
    duration_s: Annotated[float, Field(description="Of all runs together", examples=[8127.4])]
    last_ok_at: Annotated[datetime | None, Field(description="When the last good one began")]
    last_error_at: Annotated[datetime | None, Field(description="When the last bad one began")]
    last_error: Annotated[str | None, Field(examples=["che168: HTTP 502 after 21 attempts"])]


class DayStats(Answer):
    """The runs of one operation on one platform that began on a day, in UTC."""

    day: date
    operation_type: Annotated[str, Field(examples=["data_fetch"])]
    platform: Annotated[str | None, Field(examples=["che168"])]
    runs: Annotated[int, Field(examples=[1])]
    errors: Annotated[int, Field(examples=[0])]
    records: Annotated[int, Field(examples=[15_204])]


class Stats(Answer):
    """What was loaded and processed, and how the operations went."""

    counted_at: datetime
    platforms: list[PlatformStats]
    operations: list[OperationStats]
    days: Annotated[list[DayStats], Field(description="The last 30 days, the newest first")]


def add_stats(app: FastAPI, reader: StatsReader, clock: Clock) -> None:
    """Serve the statistics, counted every 30 seconds at most."""
    kept = Kept(reader.stats, clock=clock, kept_s=KEPT_S)

    async def stats(request: Request) -> Response:
        """Count what was loaded and processed by platform, and runs, records and errors by operation and by day.

        The counts may be 30 seconds old; `counted_at` tells.
        """
        parameters.read(query_pairs(request), NO_PARAMETERS)
        return json_response(await kept.get())

    add_route(app, "/stats", stats, answer=Stats, problems=(TIMEOUT, UNAVAILABLE), tag="status")
