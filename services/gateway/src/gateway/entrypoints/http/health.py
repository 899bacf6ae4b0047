"""Probes and metrics, open without a token, and the status, which needs one."""

import json
from collections.abc import Collection, Mapping

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from common.errors import UnavailableError
from gateway.core import parameters
from gateway.core.metrics import CONTENT_TYPE, exposition
from gateway.core.parameters import NO_PARAMETERS
from gateway.core.ports import QueueReader, StatusReader
from gateway.entrypoints.http.error_map import INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE
from gateway.entrypoints.http.models import Health, Status
from gateway.entrypoints.http.routes import add_route, json_response, query_pairs

OK_BODY = '{"status":"ok"}'


def add_health(app: FastAPI, reader: StatusReader, *, schema_head: str) -> None:
    """Serve the probes; ready means that the schema is at `schema_head`."""

    async def live(request: Request) -> Response:
        """Tell that the process answers."""
        parameters.read(query_pairs(request), NO_PARAMETERS)
        return json_response(OK_BODY)

    async def ready(request: Request) -> Response:
        """Tell whether requests can be served: the database answers and its schema is the one of this version."""
        parameters.read(query_pairs(request), NO_PARAMETERS)
        revision = await reader.schema_revision()
        if revision != schema_head:
            raise UnavailableError(f"the database's schema is at {revision}, {schema_head} is needed")
        return json_response(OK_BODY)

    live_problems = (INVALID_PARAMETERS,)
    ready_problems = (INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
    add_route(app, "/health/live", live, answer=Health, problems=live_problems, tag="health", needs_token=False)
    add_route(app, "/health/ready", ready, answer=Health, problems=ready_problems, tag="health", needs_token=False)


def add_status(app: FastAPI, reader: StatusReader, queues: QueueReader, *, version: str) -> None:
    """Serve the status."""

    async def status(request: Request) -> Response:
        """Tell how the installation is doing: sources and their lag, pages, gaps, queues, runs and operations.

        What the watchdog finds stands in `findings`: feeds that answer well and bring nothing.
        """
        parameters.read(query_pairs(request), NO_PARAMETERS)
        body = await reader.status()
        own = json.dumps({"version": version, "queues": await queues.depths()})
        return json_response(f"{own.removesuffix('}')},{body.removeprefix('{')}")

    problems = (INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
    add_route(app, "/status", status, answer=Status, problems=problems, tag="status")


def add_metrics(
    app: FastAPI, reader: StatusReader, *, followed: Collection[str], asked: Mapping[tuple[str, str], int]
) -> None:
    """Serve the metrics of the platforms and shops that are `followed`, and how often sources were `asked`."""

    async def metrics(request: Request) -> Response:
        """Give numbers to Prometheus: what the watchdog finds, records by kind and change type, sources by outcome."""
        parameters.read(query_pairs(request), NO_PARAMETERS)
        text = exposition(followed, await reader.feed_numbers(), asked)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    problems = (INVALID_PARAMETERS, TIMEOUT, UNAVAILABLE)
    add_route(app, "/metrics", metrics, answer=PlainTextResponse, problems=problems, tag="health", needs_token=False)
