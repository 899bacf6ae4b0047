"""docs/openapi.json says what the gateway says, and says enough."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from tests.house import openapi_page
from tests.house.tree import text

DOCUMENT: dict[str, Any] = json.loads(text(openapi_page.PAGE))
OPERATIONS: dict[str, Any] = {path: item["get"] for path, item in DOCUMENT["paths"].items()}
EVERYWHERE = {"200", "400", "408", "413", "414", "422", "431", "500", "503"}
BEHIND_A_TOKEN = {"401", "429"}


def allows(schema: dict[str, Any], value: object) -> bool:
    """Return whether a value is what a schema of the document describes."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True).is_valid(value)


def followed(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response that may stand in the components."""
    found: dict[str, Any] = response
    if "$ref" in response:
        found = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return found


def examples(answer: dict[str, Any]) -> Iterator[object]:
    """Yield the examples of an answer in JSON."""
    yield from (named["value"] for named in answer.get("examples", {}).values())
    if "example" in answer:
        yield answer["example"]


async def test_the_page_is_what_make_docs_writes() -> None:
    assert text(openapi_page.PAGE) == await openapi_page.render(), "docs/openapi.json is stale: run `make docs`"


@pytest.mark.parametrize("path", OPERATIONS)
def test_each_operation_tells_every_error(path: str) -> None:
    is_open = OPERATIONS[path].get("security") == []
    missing = (EVERYWHERE if is_open else EVERYWHERE | BEHIND_A_TOKEN) - set(OPERATIONS[path]["responses"])
    assert missing == set()


@pytest.mark.parametrize("path", OPERATIONS)
def test_each_answer_in_json_has_examples_that_are_right(path: str) -> None:
    for status, response in OPERATIONS[path]["responses"].items():
        for media_type, answer in followed(response).get("content", {}).items():
            shown = list(examples(answer))
            assert shown or "json" not in media_type, status
            assert all(allows(answer["schema"], value) for value in shown), (status, shown)


@pytest.mark.parametrize("path", OPERATIONS)
def test_each_parameter_has_a_meaning_and_an_example_that_is_right(path: str) -> None:
    for parameter in OPERATIONS[path].get("parameters", ()):
        assert parameter["description"]
        if parameter["name"] != "cursor":  # only one that was given out is any good
            assert allows(parameter["schema"], parameter["example"]), parameter["name"]


@pytest.mark.parametrize("path", OPERATIONS)
def test_a_token_can_be_a_parameter_under_auto_api_only(path: str) -> None:
    security = OPERATIONS[path].get("security", DOCUMENT["security"])
    assert ({"api_key_parameter": []} in security) == path.startswith("/api/v2/")


def test_a_wrong_example_is_seen() -> None:
    schema = {"$ref": "#/components/schemas/Health"}
    assert allows(schema, {"status": "ok"})
    assert not allows(schema, {"status": 1})
    assert not allows({"type": "string", "format": "date"}, "2026-11-20T00:00:00")
