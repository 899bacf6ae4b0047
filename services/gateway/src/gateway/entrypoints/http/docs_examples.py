"""Examples of answers, made from what their models say."""

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]
_OF_FORMAT: Final = {"date": "2026-11-20", "date-time": "2026-11-20T08:15:00+00:00"}
_OF_TYPE: Final = {"integer": 0, "number": 0, "boolean": True, "string": "…"}


def example(schema: Schema, models: Schema) -> Any:
    """Return a value that the schema allows: the first of its own examples, or one of its type."""
    schema = resolve(schema, models)
    if schema.get("examples"):
        return schema["examples"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], models)
    kind = schema.get("type")
    if kind == "object":
        return {name: example(field, models) for name, field in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema["items"], models)]
    return _OF_FORMAT.get(schema.get("format", ""), _OF_TYPE.get(str(kind)))


def resolve(schema: Schema, models: Schema) -> Schema:
    """Return what a schema refers to, or itself."""
    return models[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
