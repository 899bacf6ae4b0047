"""What holds for each endpoint: a typing error never returns everything, and nobody gets in unknown."""

import re

import pytest
from tests.contract.gateway.fakes import a_client, some_parts

from gateway.core.autoapi import PREFIX
from gateway.entrypoints.http.api import build_api
from gateway.entrypoints.http.docs import DOCS_PATHS
from gateway.entrypoints.http.frame import PROBES
from gateway.entrypoints.http.routes import DirectRoute

pytestmark = pytest.mark.unit


async def paths() -> list[str]:
    """Return every path that is answered, with an id where one stands."""
    routes = build_api(await some_parts()).routes
    return [re.sub(r"\{[a-z_]+\}", "che168", route.path) for route in routes if isinstance(route, DirectRoute)]


async def test_an_unknown_parameter_is_refused_and_named_but_in_autoapi_s_contract() -> None:
    asked = [path for path in await paths() if not path.startswith(PREFIX) and path not in DOCS_PATHS]
    assert {"/metrics", "/offers/che168", "/offers/stream", "/info", "/filters"} <= set(asked)
    async with a_client(await some_parts()) as client:
        for path in asked:
            answer = await client.get(f"{path}?nonsense=1")
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), path
            assert "nonsense" in [fault["name"] for fault in answer.json()["errors"]], path


async def test_without_a_token_only_the_probes_answer() -> None:
    parts = await some_parts(docs_open=False, info_open=False)
    async with a_client(parts, token=None) as client:
        statuses = {path: (await client.get(path)).status_code for path in await paths()}
    assert {path for path, status in statuses.items() if status != 401} == PROBES
