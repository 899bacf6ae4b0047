"""Routes that FastAPI documents and that are called directly: no dependency is solved and no answer validated.

Answers are JSON texts made by PostgreSQL; a test holds them against the documented models.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.core.autoapi import PREFIX
from gateway.core.errors import Fault, InvalidParametersError
from gateway.core.parameters import NO_PARAMETERS, Parameter, Words, printable
from gateway.entrypoints.http.error_map import INTERNAL, OK, PROBLEM_JSON, QUOTA_EXCEEDED, UNAUTHORIZED, ProblemKind

Handler = Callable[[Request], Awaitable[Response]]
MAX_PAIRS: Final = 64
_ID: Final = Words(128)


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint itself: FastAPI's own handler costs more than our answer takes to make."""
        return self.endpoint


def add_route(
    app: FastAPI,
    path: str,
    handler: Handler,
    *,
    answer: type[BaseModel | Response],
    problems: Sequence[ProblemKind],
    parameters: Mapping[str, Parameter] = NO_PARAMETERS,
    tag: str,
    needs_token: bool = True,
) -> None:
    """Serve GET `path` by `handler` and document it; its name is the operation id, its docstring the description.

    What is no JSON is documented by the class of its response. `HEADERS` of a model says what headers mean.
    """
    documented = _documented_messages if path.startswith(PREFIX) else _documented
    common = (UNAUTHORIZED, QUOTA_EXCEEDED, INTERNAL) if needs_token else (INTERNAL,)
    extra: dict[str, Any] = {"parameters": [*_in_path(path), *map(_in_query, parameters.values())]}
    if not needs_token:
        extra["security"] = []
    app.router.routes.append(
        DirectRoute(
            path,
            handler,
            methods=["GET"],
            response_model=None if issubclass(answer, Response) else answer,
            response_class=answer if issubclass(answer, Response) else JSONResponse,
            status_code=OK,
            response_description="Done",
            responses={**documented((*problems, *common)), **_with_headers(getattr(answer, "HEADERS", {}))},
            operation_id=getattr(handler, "__name__", path),
            tags=[tag],
            openapi_extra=extra,
        )
    )


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """Return the names and values of the query string, in its order.

    Raises:
        InvalidParametersError: It is not UTF-8 or has too many pairs.
    """
    raw: bytes = request.scope["query_string"]
    if not raw:
        return []
    try:
        text = raw.decode()
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except UnicodeDecodeError as error:
        raise InvalidParametersError([Fault("", "the query is not UTF-8")]) from error
    except ValueError as error:
        raise InvalidParametersError([Fault("", f"at most {MAX_PAIRS} parameters are expected")]) from error


def path_value(request: Request, name: str) -> str:
    """Return an id that stands in the path.

    Raises:
        InvalidParametersError: It is too long or holds a control character.
    """
    try:
        return _ID.read(printable(request.path_params[name]))
    except ValueError as error:
        raise InvalidParametersError([Fault(name, str(error))]) from error


def json_response(body: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON text as it is."""
    return Response(body, media_type="application/json", headers=headers)


def _in_query(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.kind.schema)
    if parameter.default is not None:
        schema["default"] = parameter.default
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    if schema["type"] == "array":
        described |= {"style": "form", "explode": False, "example": str(parameter.example).split(",")}
    return {**described, "schema": schema}


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _with_headers(headers: Mapping[str, str]) -> dict[int | str, dict[str, Any]]:
    described = {name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in headers.items()}
    return {OK: {"headers": described}} if described else {}


def _documented_messages(kinds: Sequence[ProblemKind]) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/AutoApiError"}}}
    return {kind.status.value: {"description": kind.title, "content": content} for kind in kinds}


def _documented(kinds: Sequence[ProblemKind]) -> dict[int | str, dict[str, Any]]:
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        entry = documented.setdefault(
            kind.status.value, {"description": "", "content": {PROBLEM_JSON: {"examples": {}}}}
        )
        entry["description"] = "; ".join(filter(None, (entry["description"], kind.title)))
        content = entry["content"][PROBLEM_JSON]
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        example = {
            "type": kind.type,
            "title": kind.title,
            "status": kind.status.value,
            "request_id": "8f14e45fceea167a",
        }
        content["examples"][kind.name] = {"value": example}
    return documented
