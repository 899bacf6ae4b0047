"""Hundreds of bad inputs, each a file that says in its name what must become of it.

`tests/data/bad_input/<kind>/<name>.<class>.<part>[.gen]`. The class is `stored`, `repaired` (stored, and the
original in quarantine), `quarantined` or `dead` (the message is dead-lettered). The part is a record's `data`, a whole
`record` (or several, with commas between), or the `body` of a message; `gen` files are lists of `[text, times]`, for
what is large. `@ID@` and `@RUN@` are the file's own.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.integration.normalizer.road import PROFILES, Rows, opened_store

from common.errors import InvalidEventError
from common.settings import DatabaseSettings
from normalizer.core.land import Lander
from normalizer.entrypoints.messages import known_page

pytestmark = pytest.mark.integration

CORPUS: Final = Path(__file__).parents[2] / "data" / "bad_input"
CLASSES: Final = {"stored", "repaired", "quarantined", "dead"}
RECORD: Final = b'{"inner_id":"@ID@","change_type":"added","seq":1,"data":%b}'
MESSAGE: Final = (
    b'{"platform":"che168","kind":"page","run_id":"@RUN@","position":1,"fetched_at":"2026-11-01T10:00:00Z",'
    b'"schema_version":1,"part":0,"records":[%b]}'
)
FATES: Final = """
SELECT p.run_id, p.records, p.landed, p.quarantined,
       (SELECT coalesce(array_agg(DISTINCT q.reason), '{}') FROM quarantine q WHERE q.page_id = p.id) AS reasons,
       (SELECT count(*) FROM raw_data r WHERE r.page_id = p.id) AS rows,
       (SELECT count(*) FROM raw_data r JOIN processed_data USING (platform, inner_id)
        WHERE r.page_id = p.id AND r.is_processed AND r.error_count = 0) AS processed
FROM feed_pages p
"""


@dataclass(frozen=True)
class Case:
    """A file; `number` makes its ids."""

    path: Path
    number: int

    @property
    def kind(self) -> str:
        """The folder."""
        return self.path.parent.name

    @property
    def expected(self) -> str:
        """The class in the name."""
        return self.path.name.split(".")[1]

    @property
    def run_id(self) -> str:
        """The run of its message."""
        return f"run{self.number}"

    def message(self) -> bytes:
        """Return the message's body."""
        _, _, part, *generated = self.path.name.split(".")
        content = self.path.read_bytes()
        if generated:
            content = "".join(text * times for text, times in json.loads(content)).encode()
        if part != "body":
            content = MESSAGE.replace(b"%b", content if part == "record" else RECORD.replace(b"%b", content))
        return content.replace(b"@ID@", b"id%d" % self.number).replace(b"@RUN@", self.run_id.encode())


def cases() -> list[Case]:
    paths = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    return [Case(path, number) for number, path in enumerate(paths)]


async def classes(found: list[Case], settings: DatabaseSettings, rows: Rows) -> dict[str, str]:
    """Send every file down the road; return run id → class."""
    fates = {}
    async with opened_store(settings) as store:
        lander = Lander(store, PROFILES)
        for case in found:
            try:
                page = known_page(case.message(), frozenset(PROFILES))
            except InvalidEventError:
                fates[case.run_id] = "dead"
                continue
            await lander.land([page])
    for row in await rows.connection.fetch(FATES):
        assert row["landed"] + row["quarantined"] == row["records"], row
        assert row["rows"] == row["processed"], row
        refused = set(row["reasons"]) - {"repaired"}
        fates[row["run_id"]] = "quarantined" if refused else "repaired" if row["reasons"] else "stored"
        assert bool(row["rows"]) != bool(refused), row
    return fates


async def test_every_bad_input_meets_the_fate_that_its_file_names(database: DatabaseSettings, rows: Rows) -> None:
    found = cases()
    fates = await classes(found, database, rows)
    counts = Counter((case.kind, case.expected) for case in found)
    for kind in sorted({case.kind for case in found}):
        print(f"{kind:15}", *(f"{name} {counts[kind, name]:3}" for name in sorted(CLASSES)))  # noqa: T201 - shown by -s
    others = {f"{case.kind}/{case.path.name}": fates.get(case.run_id) for case in found}
    wrong = [
        f"{name}: {fate}" for (name, fate), case in zip(others.items(), found, strict=True) if fate != case.expected
    ]
    assert not wrong, "\n".join(wrong)
    assert len(found) >= 300
    assert {case.expected for case in found} == CLASSES
