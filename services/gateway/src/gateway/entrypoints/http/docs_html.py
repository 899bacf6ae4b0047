"""An OpenAPI description as HTML to read: endpoints, parameters, answers, problems."""

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import urlencode

from gateway.entrypoints.http.docs_examples import Schema, resolve
from gateway.entrypoints.http.error_map import ALL_KINDS, OK

_CODE: Final = re.compile(r"`([^`]+)`")


def render(document: Schema) -> str:
    """Return the page's body."""
    operations = [(path, operation["get"]) for path, operation in document["paths"].items()]
    components = document["components"]
    parts = [
        f"<h1>{escape(document['info']['title'])} <small>{escape(document['info']['version'])}</small></h1>",
        _paragraphs(document["info"]["description"]),
        _contents(operations),
        *(_operation(path, operation, components) for path, operation in operations),
        _problems(),
    ]
    return "\n".join(parts)


def _contents(operations: Iterable[tuple[str, Schema]]) -> str:
    links = [f'<li><a href="#{escape(op["operationId"])}">GET {escape(path)}</a></li>' for path, op in operations]
    links += ['<li><a href="#problems">Problems</a></li>', '<li><a href="/openapi.json">openapi.json</a></li>']
    return f"<nav><ul>{''.join(links)}</ul></nav>"


def _operation(path: str, operation: Schema, components: Schema) -> str:
    needs_token = operation.get("security") != []
    models = components["schemas"]
    responses = {status: _followed(response, components) for status, response in operation["responses"].items()}
    answer = responses[str(OK)]
    parts = [
        f'<section id="{escape(operation["operationId"])}">',
        f"<h2><b>GET</b> {escape(path)}</h2>",
        _paragraphs(operation["description"]),
        _curl(path, operation.get("parameters", ()), needs_token=needs_token),
        _parameters(operation.get("parameters", ())),
        "<h3>Answer</h3>",
        _answer(answer["content"], models),
        _headers(answer.get("headers", {})),
        _answers(responses),
        "</section>",
    ]
    return "\n".join(parts)


def _followed(response: Schema, components: Schema) -> Schema:
    return components["responses"][response["$ref"].rsplit("/", 1)[1]] if "$ref" in response else response


def _answer(content: Schema, models: Schema) -> str:
    if "application/json" not in content:
        return f"<p><code>{escape(', '.join(content))}</code></p>"
    answer = resolve(content["application/json"]["schema"], models)
    shown = json.dumps(content["application/json"]["example"], indent=2, ensure_ascii=False)
    return f"{_fields(answer, models)}<pre>{escape(shown)}</pre>"


def _headers(headers: Schema) -> str:
    rows = [(f"<code>{escape(name)}</code>", _inline(header["description"])) for name, header in headers.items()]
    return _table(("header", "meaning"), rows) if rows else ""


def _curl(path: str, parameters: Iterable[Schema], *, needs_token: bool) -> str:
    header = '-H "Authorization: Bearer $TOKEN" ' if needs_token else ""
    example = path.replace("{inner_id}", "50837332").replace("{product_id}", "813").replace("{platform}", "che168")
    needed = {p["name"]: p["example"] for p in parameters if p["in"] == "query" and p.get("required")}
    address = f"http://127.0.0.1:5555{example}"
    if needed:
        address = f'"{address}?{urlencode(needed)}"'
    return f"<pre>curl {escape(header + address, quote=False)}</pre>"


def _parameters(parameters: Iterable[Schema]) -> str:
    rows = [
        (
            f"<code>{escape(p['name'])}</code>",
            _type(p["schema"]),
            _inline(p["description"]),
            _sample(p),
        )
        for p in parameters
    ]
    return "<h3>Parameters</h3>" + _table(("name", "type", "meaning", "example"), rows) if rows else ""


def _sample(parameter: Schema) -> str:
    """Return the example as it stands in an address."""
    if "example" not in parameter:
        return ""
    value = parameter["example"]
    text = ",".join(value) if isinstance(value, list) else value if isinstance(value, str) else json.dumps(value)
    return f"<code>{escape(text)}</code>"


def _fields(model: Schema, models: Schema) -> str:
    rows = []
    if model.get("type") == "array":
        model = resolve(model["items"], models)
    for name, field in model.get("properties", {}).items():
        rows.append((f"<code>{escape(name)}</code>", _type(field), _inline(field.get("description", ""))))
        inner = resolve(field.get("items", {}), models)
        for inner_name, inner_field in inner.get("properties", {}).items():
            shown = f"<code>{escape(name)}[].{escape(inner_name)}</code>"
            rows.append((shown, _type(inner_field), _inline(inner_field.get("description", ""))))
    return _table(("field", "type", "meaning"), rows)


def _answers(responses: Schema) -> str:
    rows = []
    for status, response in responses.items():
        content = response.get("content", {}).get("application/problem+json", {})
        kinds = [f'<a href="#problem-{escape(name)}">{escape(name)}</a>' for name in content.get("examples", {})]
        rows.append((f"<b>{escape(status)}</b>", _inline(response["description"]), ", ".join(kinds)))
    return "<h3>Status</h3>" + _table(("status", "meaning", "problem"), rows)


def _problems() -> str:
    items = [
        f'<dt id="problem-{escape(kind.name)}"><b>{kind.status.value}</b> {escape(kind.title)} '
        f"<code>{escape(kind.name)}</code></dt><dd>{_inline(kind.advice)}</dd>"
        for kind in ALL_KINDS
    ]
    return f'<section id="problems"><h2>Problems</h2><dl>{"".join(items)}</dl></section>'


def _type(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    bounds = [f"{schema[key]}" for key in ("minimum", "maximum") if key in schema]
    named = escape(str(schema.get("format", schema.get("type", "any"))))
    return f"{named} {'–'.join(bounds)}" if len(bounds) > 1 else named


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    header = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n"))


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
