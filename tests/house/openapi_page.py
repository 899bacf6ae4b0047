"""Writes docs/openapi.json from the gateway's routes: `python -m tests.house.openapi_page` (`make docs`)."""

import asyncio
import json
from pathlib import Path
from typing import Final

from tests.contract.gateway.fakes import some_parts

from gateway.entrypoints.http.api import build_api
from gateway.entrypoints.http.docs import openapi

PAGE: Final = Path("docs/openapi.json")


async def render() -> str:
    """Return the whole description, as a gateway serves it under `/openapi.json`."""
    return json.dumps(openapi(build_api(await some_parts())), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(render()), encoding="utf-8")
