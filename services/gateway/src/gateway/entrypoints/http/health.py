"""Probes and metrics, open without a token, and the status, which needs one."""

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from common.clock import Clock
from common.errors import UnavailableError
from common.log import fields
from common.metrics import CONTENT_TYPE
from gateway.core import parameters
from gateway.core.errors import QueryTimeoutError
from gateway.core.kept import Kept
from gateway.core.parameters import NO_PARAMETERS
from gateway.core.ports import QueueReader, StatusReader
from gateway.core.reads import ReadRoute
from gateway.entrypoints.http.error_map import INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE
from gateway.entrypoints.http.metrics import RequestMetrics, Tables, text
from gateway.entrypoints.http.models import Health, Status
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs

T = TypeVar("T")
OK_BODY = '{"status":"ok"}'
_log = logging.getLogger(__name__)


def add_health(app: FastAPI, reader: StatusReader, clock: Clock, *, schema_head: str) -> None:
    """Serve the probes; ready means that the schema is at `schema_head`."""
    revision_now = _shared(reader.schema_revision, clock)

    async def live(request: Request) -> Response:
        """Tell that the process answers."""
        parameters.read(query_pairs(request), NO_PARAMETERS)
        return json_response(OK_BODY)

    async def ready(request: Request) -> Response:
        """Tell whether requests can be served: the database answers and its schema is the one of this version."""
        parameters.read(query_pairs(request), NO_PARAMETERS)
        try:
            revision = await revision_now.get()
        except QueryTimeoutError as error:
            raise UnavailableError("the database does not answer in time") from error
        if revision != schema_head:
            raise UnavailableError(f"the database's schema is at {revision}, {schema_head} is needed")
        return json_response(OK_BODY)

    live_problems = (INVALID_PARAMETERS,)
    ready_problems = (INVALID_PARAMETERS, UNAVAILABLE)
    add_route(app, "/health/live", live, answer=Health, problems=live_problems, tag="health", needs_token=False)
    add_route(app, "/health/ready", ready, answer=Health, problems=ready_problems, tag="health", needs_token=False)


def add_status(
    app: FastAPI, reader: StatusReader, queues: QueueReader, *, version: str, reads: ReadRoute | None
) -> None:
    """Serve the status."""

    async def status(request: Request) -> Response:
        """Tell how the installation is doing: sources and their lag, pages, gaps, queues, runs and operations.

        What the watchdog finds stands in `findings`: feeds that answer well and bring nothing. `reads` says which
        database answers reads where there is a replica.
        """
        parameters.read(query_pairs(request), NO_PARAMETERS)
        body = await reader.status()
        standing = None if reads is None else asdict(reads.standing())
        own = json.dumps({"version": version, "reads": standing, "queues": await queues.depths()}, default=_written)
        return json_response(f"{own.removesuffix('}')},{body.removeprefix('{')}")

    problems = (INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
    add_route(app, "/status", status, answer=Status, problems=problems, tag="status")


def add_metrics(
    app: FastAPI,
    reader: StatusReader,
    requests: RequestMetrics,
    clock: Clock,
    *,
    followed: Collection[str],
    asked: Mapping[tuple[str, str], int],
    reads: ReadRoute | None,
) -> None:
    """Serve the metrics of the requests and of the platforms and shops that are `followed`.

    `asked` counts how often sources were asked. Without a database, what the tables say is missing.
    """
    numbers_now = _shared(reader.feed_numbers, clock)

    async def metrics(request: Request) -> Response:
        """Give numbers to Prometheus: requests, feeds and their lag, gaps, quarantine, drift, sources by outcome."""
        parameters.read(query_pairs(request), NO_PARAMETERS)
        try:
            numbers = await numbers_now.get()
        except (UnavailableError, QueryTimeoutError) as error:
            _log.warning(fields("metrics without tables", error=error))
            numbers = None
        body = text(requests.registry, Tables(followed, numbers, asked, reads))
        return Response(body, headers={"Content-Type": CONTENT_TYPE})

    problems = (INVALID_PARAMETERS,)
    add_route(app, "/metrics", metrics, answer=PlainTextResponse, problems=problems, tag="health", needs_token=False)


def _shared(load: Callable[[], Awaitable[T]], clock: Clock) -> Kept[T]:
    """Return what asks once for all who ask meanwhile: so a crowd without a token takes one connection."""
    return Kept(load, clock=clock, kept_s=0)


def _written(moment: datetime) -> str:
    return moment.isoformat()
