"""What a first load must leave behind, by the upstream's own word."""

import json
from collections import Counter

from tests.e2e.road import LEDGER, Road


async def assert_equal_to_the_truth(road: Road) -> None:
    """Rows, ledger and change log say that every listed offer came in exactly once."""
    truth = await road.truth()
    async with road.connection() as connection:
        rows = await connection.fetch("SELECT inner_id, data::text, active_status, is_processed FROM raw_data")
        visible = await connection.fetchval(
            "SELECT count(*) FROM processed_data WHERE is_complete AND active_status = 0"
        )
        changes = await connection.fetch("SELECT inner_id, change_type FROM catalog_changes")
        ledger = await connection.fetchrow(LEDGER)
        dead = await connection.fetchval("SELECT count(*) FROM quarantine WHERE reason <> 'repaired'")
    assert ledger is not None
    assert (ledger["open"], ledger["quarantined"], dead) == (0, 0, 0)
    assert ledger["landed"] == ledger["records"]
    shells = {row["inner_id"] for row in rows if row["data"] == "{}"}
    assert {row["inner_id"]: json.loads(row["data"]) for row in rows if row["inner_id"] not in shells} == {
        inner_id: item["data"] for inner_id, item in truth.items() if inner_id not in shells
    }
    assert {row["inner_id"] for row in rows} == set(truth)
    assert {(row["active_status"], row["is_processed"]) for row in rows} == {(0, True)}
    assert visible == len(truth) - len(shells)
    assert Counter((row["inner_id"], row["change_type"]) for row in changes) == Counter(
        (inner_id, "added") for inner_id in truth if inner_id not in shells
    )
