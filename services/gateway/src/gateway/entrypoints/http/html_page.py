"""Pages that need nothing from elsewhere: the style stands inside and the policy allows no other."""

import base64
import hashlib
from functools import cache
from http import HTTPStatus
from importlib import resources
from string import Template

from fastapi.responses import HTMLResponse


def html_page(name: str, body: str, allowed: str, status: HTTPStatus = HTTPStatus.OK) -> HTMLResponse:
    """Return the page `<name>.html` with `<name>.css` inside; `allowed` is what its policy allows besides."""
    style, page, policy = _made(name)
    headers = {"Content-Security-Policy": f"{policy}; {allowed}"}
    return HTMLResponse(page.substitute(style=style, body=body), status.value, headers)


@cache
def _made(name: str) -> tuple[str, Template, str]:
    style = _resource(f"{name}.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
    return style, Template(_resource(f"{name}.html")), policy


def _resource(name: str) -> str:
    return resources.files("gateway.entrypoints.http").joinpath(name).read_text(encoding="utf-8")
