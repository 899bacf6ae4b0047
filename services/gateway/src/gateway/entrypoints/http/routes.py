"""Routes that FastAPI documents and that are called directly: no dependency is solved and no answer validated.

Answers are JSON texts made by PostgreSQL; a test holds them against the documented models.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from common.events import MAX_INNER_ID
from gateway.core.as_of import AREAS
from gateway.core.autoapi import PREFIX
from gateway.core.errors import Fault, InvalidParametersError
from gateway.core.parameters import NO_PARAMETERS, Parameter, Words, printable
from gateway.entrypoints.http.data_age import DATED, area_of
from gateway.entrypoints.http.error_map import (
    BODY_REFUSED,
    HEADERS_TOO_LARGE,
    INTERNAL,
    INVALID_PARAMETERS,
    MALFORMED,
    NOT_MODIFIED,
    OK,
    PROBLEM_JSON,
    QUOTA_EXCEEDED,
    SLOW,
    TOO_LONG,
    TOO_MANY_CONNECTIONS,
    UNAUTHORIZED,
    ProblemKind,
    autoapi_message,
)

Handler = Callable[[Request], Awaitable[Response]]
MAX_PAIRS: Final = 64
_ID: Final = Words(MAX_INNER_ID)
_PATH_PARAMETERS: Final = {
    "inner_id": Parameter("inner_id", _ID, "Identity of the offer on its platform.", "50837332"),
    "product_id": Parameter("product_id", _ID, "Identity of the product in its shop.", "813"),
    "platform": Parameter("platform", _ID, "Marketplace.", "che168"),
}
_EVERYWHERE: Final = (
    *(MALFORMED, SLOW, BODY_REFUSED, TOO_LONG, INVALID_PARAMETERS, HEADERS_TOO_LARGE, INTERNAL),
    TOO_MANY_CONNECTIONS,
)
"""Problems that any request can meet."""
_WITH_TOKEN: Final = (UNAUTHORIZED, QUOTA_EXCEEDED)
SECURITY: Final[Sequence[Mapping[str, Sequence[str]]]] = ({"bearer": []}, {"api_key": []})
"""The ways to send a token; each is enough."""
AUTOAPI_SECURITY: Final = (*SECURITY, {"api_key_parameter": []})


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

    What is no JSON is documented by the class of its response. `HEADERS` of a class says what headers of the answer
    mean, `CONTENT` what it may be, by media type, `REQUEST_HEADERS` which the handler reads. An answer with `ETag` may
    be a 304.
    """
    documented = _documented_messages if path.startswith(PREFIX) else _documented
    kinds = {kind.name: kind for kind in (*problems, *_EVERYWHERE, *(_WITH_TOKEN if needs_token else ()))}
    ordered = sorted(kinds.values(), key=lambda kind: kind.status)
    read = [*_in_path(path), *map(_in_query, parameters.values()), *_in_headers(getattr(answer, "REQUEST_HEADERS", ()))]
    extra: dict[str, Any] = {"parameters": read}
    if not needs_token:
        extra["security"] = []
    elif path.startswith(PREFIX):
        extra["security"] = AUTOAPI_SECURITY
    app.router.routes.append(
        DirectRoute(
            path,
            handler,
            methods=["GET"],
            response_model=None if issubclass(answer, Response) else answer,
            response_class=answer if issubclass(answer, Response) else JSONResponse,
            status_code=OK,
            response_description="Done",
            responses={**_answered(answer, path), **documented(ordered)},
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
    if raw.count(b"&") >= MAX_PAIRS:
        raise InvalidParametersError([Fault("", f"at most {MAX_PAIRS} parameters are expected")])
    try:
        return [_pair(text) for text in raw.decode().split("&") if text]
    except UnicodeDecodeError as error:
        raise InvalidParametersError([Fault("", "the query is not UTF-8")]) from error


def _pair(text: str) -> tuple[str, str]:
    """Do what `urllib.parse.parse_qsl` does, in half its time."""
    name, _, value = text.partition("=")
    return unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")


def path_value(request: Request, name: str) -> str:
    """Return an id that stands in the path.

    Raises:
        InvalidParametersError: It is too long or holds a control character.
    """
    try:
        return _ID.read(printable(request.path_params[name]))
    except ValueError as error:
        raise InvalidParametersError([Fault(name, str(error))]) from error


def json_response(body: str | bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON text as it is."""
    return Response(body, media_type="application/json", headers=headers)


def _described(parameter: Parameter, place: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": place,
        "required": parameter.required or place == "path",
        "description": parameter.description,
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return {**described, "schema": dict(parameter.kind.schema)}


def _in_query(parameter: Parameter) -> dict[str, Any]:
    described = _described(parameter, "query")
    if parameter.default is not None:
        described["schema"]["default"] = parameter.default
    if described["schema"]["type"] == "array":
        described |= {"style": "form", "explode": False, "example": str(parameter.example).split(",")}
    return described


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [_described(_PATH_PARAMETERS[name], "path") for name in names]


def _in_headers(parameters: Sequence[Parameter]) -> list[dict[str, Any]]:
    return [_described(parameter, "header") for parameter in parameters]


def _answered(answer: type[BaseModel | Response], path: str) -> dict[int | str, dict[str, Any]]:
    described = _with_headers({**getattr(answer, "HEADERS", {}), **(DATED if area_of(path) in AREAS else {})})
    if content := getattr(answer, "CONTENT", None):
        described.setdefault(OK, {})["content"] = content
    return described


def _with_headers(headers: Mapping[str, str]) -> dict[int | str, dict[str, Any]]:
    described = {name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in headers.items()}
    answers: dict[int | str, dict[str, Any]] = {OK: {"headers": described}} if described else {}
    if "ETag" in headers:
        answers[NOT_MODIFIED] = {"description": "What the client has is what there is", "headers": described}
    return answers


def _documented_messages(kinds: Sequence[ProblemKind]) -> dict[int | str, dict[str, Any]]:
    return _by_status(kinds, "application/json", "AutoApiError", lambda kind: {"message": autoapi_message(kind)})


def _documented(kinds: Sequence[ProblemKind]) -> dict[int | str, dict[str, Any]]:
    def example(kind: ProblemKind) -> dict[str, Any]:
        said = {"type": kind.type, "title": kind.title, "status": kind.status.value}
        return {**said, "request_id": "8f14e45fceea167a"}

    return _by_status(kinds, PROBLEM_JSON, "Problem", example)


def _by_status(
    kinds: Sequence[ProblemKind], media_type: str, model: str, example: Callable[[ProblemKind], dict[str, Any]]
) -> dict[int | str, dict[str, Any]]:
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        answer = {"schema": {"$ref": f"#/components/schemas/{model}"}, "examples": {}}
        entry = documented.setdefault(kind.status.value, {"description": "", "content": {media_type: answer}})
        entry["description"] = "; ".join(filter(None, (entry["description"], kind.title)))
        entry["content"][media_type]["examples"][kind.name] = {"value": example(kind)}
        for name, value in kind.headers.items():
            entry.setdefault("headers", {})[name] = {"schema": {"type": "string"}, "example": value}
    return documented
