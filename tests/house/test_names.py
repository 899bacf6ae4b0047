"""The names that people and tests rely on exist: environment, commands, targets, tables, topology, endpoints."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.contract.gateway.fakes import some_parts
from tests.house.programs import shown
from tests.house.tree import source_files, text

from common import definitions, settings, topology
from common.db.shop_tables import metadata
from gateway.entrypoints.http.api import build_api

ENVIRONMENT = """
    DB_HOST DB_PORT DB_USER DB_PASSWORD DB_NAME RABBITMQ_URL CHE168_API_KEY CHE168_ACCESS_NAME CHE168_BASE_URL
    SHOP_API_URL SHOP_SYNC_INTERVAL_S SECRET_KEY API_HOST API_PORT FEEDMILL_CONFIG
"""
COMMANDS = {
    "fetcher initial-load": ["--platform", "--max-pages"],
    "fetcher daily-update": ["--platform", "--max-dates", "--since"],
    "fetcher shop-sync": ["--force"],
    "fetcher retry-gaps": [],
    "fetcher reconcile": [],
    "fetcher run": [],
    "normalizer run": [],
    "normalizer normalize": ["--batch-size"],
    "normalizer renormalize": ["--dry-run"],
    "normalizer replay-dead": [],
    "gateway run": [],
    "gateway tokens create": [],
    "gateway tokens list": [],
    "gateway tokens revoke": [],
    "sandbox upstream": ["--offers", "--seed", "--port", "--recorded"],
    "sandbox stack up": [],
    "sandbox stack down": [],
    "sandbox stack env": [],
    "feedmill migrate": [],
}
TARGETS = """
    help install up down status logs load daily shop-sync normalize renormalize retry-gaps reconcile tokens replay-dead
    test test-unit check bench migrate psql console dump restore
"""
TABLES = """
    raw_data processed_data feed_pages sync_state catalog_changes quarantine api_tokens operations_log
    products categories marks product_categories product_marks colors parameters images extras reviews review_videos
    exclusions importance filters_reference source_1 source_2 source_3
"""
COLUMNS = {
    "raw_data": """
        id platform inner_id source_id change_type created_at data first_loaded_at last_updated_at source active_status
        is_processed base_seq field_seq active_seq max_seq page_id error_count last_error
    """,
    "processed_data": """
        platform inner_id mark model title complectation year first_registration color price currency km_age engine_type
        transmission_type body_type drive_type displacement_l power_hp power_kw address province city seller_type
        is_dealer salon_id description url offer_created images options vin normalized_data active_status is_complete
    """,
    "feed_pages": """
        platform kind position run_id message_id status records landed quarantined attempts next_attempt_at error
    """,
    "sync_state": "platform last_successful_date last_change_id updated_at",
    "catalog_changes": "change_id platform inner_id change_type changed_at diff",
    "operations_log": "operation_type started_at duration status details platform counts",
    "api_tokens": "token expires_at description last_used_at",
}
EXCHANGES = "feedmill.raw feedmill.catalog feedmill.dead feedmill.unrouted feedmill.commands"
QUEUES = "normalizer.raw normalizer.raw.dead feedmill.unrouted"
ENDPOINTS = """
    /offers /offers/{inner_id} /offers/facets /offers/export /filters
    /products /products/{product_id} /categories /collect-data /search /info
    /changes /change_id /offers/stream
    /api/v2/{platform}/filters /api/v2/{platform}/offers /api/v2/{platform}/offer
    /api/v2/{platform}/change_id /api/v2/{platform}/changes
    /health/live /health/ready /stats /status /metrics
"""


def missing(wanted: str, present: set[str]) -> set[str]:
    """Return the words of `wanted` that are not present."""
    return set(wanted.split()) - present


def targets(makefile: str) -> set[str]:
    """Return the targets of a Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, flags=re.MULTILINE))


def switches(makefile: str) -> dict[str, str]:
    """Return the options without a value that a Makefile passes on, each with what make takes for it: `FORCE=1`."""
    passed_on = re.findall(r"\$\(if \$\((\w+)\),(--[a-z-]+)\)", makefile)
    return {option: f"{variable}=1" for variable, option in passed_on}


def told_to_some(source: str, takes: dict[str, str]) -> list[str]:
    """Return each text of a module, docstrings apart, that tells of such an option and not of what make takes."""
    if not any(option in source for option in takes):
        return []
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    texts = [node for node in nodes if isinstance(node, ast.Constant) and node not in docstrings]
    said = [node.value for node in texts if isinstance(node.value, str) and node.value not in takes]
    return [text for text in said for option, for_make in takes.items() if option in text and for_make not in text]


def test_missing_names_are_found() -> None:
    assert missing("a b", {"a"}) == {"b"}
    assert targets("up: install ## start\nX := 1\nname:=x\n\tdown:\n") == {"up"}
    assert switches("x $(if $(DAY),--day $(DAY)) $(if $(DRY_RUN),--dry-run)") == {"--dry-run": "DRY_RUN=1"}
    source = '"""--all."""\na = ["--all", "--all (ALL=1)", f"{b} --all"]'
    assert told_to_some(source, {"--all": "ALL=1"}) == [" --all"]


def test_environment() -> None:
    assert missing(ENVIRONMENT, set(settings.FLAT_NAMES) | settings.OTHER_NAMES) == set()


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command(command: str) -> None:
    program, *words = command.split()
    text_of_help = shown(program, *words, "--help")
    assert text_of_help.startswith(f"usage: {command}")
    assert [option for option in COMMANDS[command] if option not in text_of_help] == []


def test_make_targets() -> None:
    makefile = text(Path("Makefile"))
    assert missing(TARGETS, targets(makefile)) == set()
    assert missing(TARGETS, set(" ".join(re.findall(r"^\.PHONY:(.*)", makefile, flags=re.MULTILINE)).split())) == set()


def test_who_is_told_of_an_option_is_told_what_make_takes_for_it() -> None:
    takes = switches(text(Path("Makefile")))
    assert takes == {"--again": "AGAIN=1", "--force": "FORCE=1", "--dry-run": "DRY_RUN=1"}
    assert [(path, said) for path in source_files() for said in told_to_some(text(path), takes)] == []


def test_tables_and_the_columns_of_the_brief() -> None:
    assert missing(TABLES, set(metadata.tables)) == set()
    for table, columns in COLUMNS.items():
        assert missing(columns, set(metadata.tables[table].columns.keys())) == set(), table


def test_exchanges_and_queues_stand_in_the_code_and_in_the_definitions() -> None:
    defined: dict[str, list[dict[str, Any]]] = json.loads(text(definitions.TEMPLATE))
    assert missing(EXCHANGES, set(topology.EXCHANGES)) == set()
    assert missing(QUEUES, set(topology.QUEUES)) == set()
    assert {exchange["name"] for exchange in defined["exchanges"]} == set(topology.EXCHANGES)
    assert {queue["name"] for queue in defined["queues"]} == set(topology.QUEUES)
    assert [vhost["name"] for vhost in defined["vhosts"]] == [topology.VHOST] == ["feedmill"]


async def test_endpoints() -> None:
    paths = {getattr(route, "path", "") for route in build_api(await some_parts()).routes}
    assert missing(f"{ENDPOINTS} /docs", paths) == set()
