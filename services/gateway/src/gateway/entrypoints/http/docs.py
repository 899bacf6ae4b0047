"""`/openapi.json`, and `/docs`: the same contract as one page to read, without scripts and without other servers."""

import json
from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from gateway.core.autoapi import PREFIX
from gateway.entrypoints.http.autoapi_models import AutoApiError
from gateway.entrypoints.http.docs_examples import example
from gateway.entrypoints.http.docs_html import render
from gateway.entrypoints.http.error_map import OK
from gateway.entrypoints.http.html_page import html_page
from gateway.entrypoints.http.models import Problem
from gateway.entrypoints.http.routes import SECURITY, DirectRoute, json_response

DOCS_PATHS: Final = frozenset({"/docs", "/openapi.json"})
DESCRIPTION: Final = """The catalogue of feedmill: offers of several marketplaces in one shape.

A request needs a token: `Authorization: Bearer <token>` or `X-API-Key: <token>`. Open are the probes and `/metrics`
and, where the gateway listens on a loopback address only, `/docs`, `/openapi.json` and, for those who call it by such
an address or `localhost`, `/info`. In the examples `$TOKEN` is yours, and 50837332 and 813 stand for ids that
`/offers` and `/products` gave you.
Unknown query parameters are refused, so that a typing error never returns everything; so are empty ones (leave them
out) and ranges that hold nothing, such as `price_from=2&price_to=1`.
Errors are `application/problem+json` (RFC 9457); each carries the `request_id` that the log has too.

Everything is read only: `GET`, and `HEAD` for the headers alone; any other method is a 405. Every answer carries
`X-Request-Id` and `RateLimit-Policy`, and `RateLimit` where the token is known: how many requests it has left.
An address that sends many wrong tokens is refused for a while (429), too.

Pages of other origins may read answers, with every header named here, only if the operator lists those in
`gateway.cors_origins`. Without that a browser's preflight, which never carries a token, is a 401 like any request
without one."""
TAGS: Final = (
    {"name": "offers", "description": "The catalogue"},
    {"name": "shop", "description": "Products of the shops"},
    {"name": "reference", "description": "Three reference sources, asked at once"},
    {"name": "changes", "description": "Following the catalogue"},
    {"name": "search", "description": "Everything at once"},
    {
        "name": "auto-api",
        "description": "The contract of auto-api.com, for its clients and for another feedmill; `api_key=` is a token",
    },
    {"name": "status", "description": "The installation"},
    {"name": "health", "description": "Probes and metrics, open without a token"},
)
_MODEL_PATH: Final = "#/components/schemas/{model}"


def add_docs(app: FastAPI) -> None:
    """Serve the documentation of the routes that were added before."""

    @cache
    def schema() -> dict[str, Any]:
        return openapi(app)

    @cache
    def page() -> Response:
        return html_page("docs_page", render(schema()), "form-action 'none'")

    async def docs(_request: Request) -> Response:
        return page()

    async def openapi_json(_request: Request) -> Response:
        return json_response(json.dumps(schema(), ensure_ascii=False))

    for path, endpoint in (("/docs", docs), ("/openapi.json", openapi_json)):
        app.router.routes.append(DirectRoute(path, endpoint, methods=["GET"], include_in_schema=False))


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description, with the ways to send a token and the shape of problems."""
    schema = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.router.routes, tags=[*TAGS]
    )
    components = schema["components"]
    problem = Problem.model_json_schema(ref_template=_MODEL_PATH)
    components["schemas"].update(problem.pop("$defs", {}), Problem=problem)
    components["schemas"]["AutoApiError"] = AutoApiError.model_json_schema(ref_template=_MODEL_PATH)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "16 characters 0-9 A-Z a-z"},
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "api_key_parameter": {
            "type": "apiKey",
            "in": "query",
            "name": "api_key",
            "description": "Under `/api/v2` only, for clients that know no other way: addresses end up in logs",
        },
    }
    schema["security"] = list(SECURITY)
    for path, item in schema["paths"].items():
        responses = item["get"]["responses"]
        _give_example(responses[str(OK)], components["schemas"])
        _share(responses, path, components.setdefault("responses", {}))
    return schema


def _give_example(response: dict[str, Any], models: dict[str, Any]) -> None:
    answer = response["content"].get("application/json")
    if answer is not None:
        answer["example"] = example(answer["schema"], models)


def _share(responses: dict[str, Any], path: str, shared: dict[str, Any]) -> None:
    """Say once what many operations have in common: problems stand in the components, by the names of their kinds."""
    for status, response in responses.items():
        kinds = [kind for answer in response.get("content", {}).values() for kind in answer.get("examples", ())]
        if kinds:
            name = ".".join(["auto-api", *kinds] if path.startswith(PREFIX) else kinds)
            shared[name] = response
            responses[status] = {"$ref": f"#/components/responses/{name}"}
