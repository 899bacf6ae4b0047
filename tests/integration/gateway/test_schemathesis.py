"""The API, attacked by its own description: no 5xx, nothing that is not documented, nothing without a valid token.

The short form, in every run, takes a few examples of each operation; `make fuzz` takes 200, and all boundary values.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.gateway.fakes import TOKEN
from tests.house.openapi_page import PAGE
from tests.integration.gateway.live import EXPIRED, Live, filled, live

from common.settings import DatabaseSettings

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SHORT = 3
ENDLESS = "/offers/stream"
"""Answers that never end cannot be judged as a whole."""
NOT_LIMITED = {"rate_limit_per_minute": "1000000", "rate_limit_burst": "1000000", "trusted_proxies": '["127.0.0.1/32"]'}


@pytest.fixture(scope="module")
async def gateway(module_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A gateway that keeps everything behind a token but the probes."""
    await filled(module_database)
    access = {"info_access": "token", "docs_access": "token"}
    async with live(module_database, tmp_path_factory.mktemp("gateway"), **access, **NOT_LIMITED) as running:
        yield running


async def attacked(gateway: Live, examples: int, folder: Path, *options: str, **environment: str) -> tuple[int, str]:
    """Run schemathesis; return its code and report."""
    command = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"))
    phases = "examples,fuzzing" if examples <= SHORT else "examples,coverage,fuzzing"
    run = ("run", str(ROOT / PAGE), "--url", gateway.url, "--phases", phases, "--max-examples", str(examples))
    process = await asyncio.create_subprocess_exec(
        *(*command, *run, *options, "--no-color"),
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE), **environment},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.mark.timeout(3600)
async def test_whatever_is_asked_the_answer_is_as_documented(
    gateway: Live, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    examples: int = request.config.getoption("--api-examples")
    refused = ("--exclude-checks", "positive_data_acceptance")
    runs = await asyncio.gather(
        attacked(gateway, examples, tmp_path, "-H", f"Authorization: Bearer {TOKEN}", "--exclude-path", ENDLESS),
        attacked(gateway, examples, tmp_path, *refused, VOID_TOKEN=EXPIRED),
    )
    for code, report in runs:
        assert code == 0, report
    sys.stdout.write("\n".join(report[report.index("= SUMMARY =") :] for _, report in runs))
    assert "Traceback" not in gateway.said()
