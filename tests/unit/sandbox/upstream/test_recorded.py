"""Recorded payloads come back as they were recorded."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sandbox.upstream.conftest import Upstream

from sandbox.upstream.errors import BadRecordingError
from sandbox.upstream.recorded import read_recordings

DATA = Path(__file__).parents[4] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded payloads are not here")


def _read(name: str) -> Any:
    return json.loads((DATA / name).read_text("utf-8"))


@needs_data
async def test_every_recorded_offer_is_listed_with_its_data_untouched(upstream: Upstream) -> None:
    body = (await upstream(recorded=DATA).get("/offers?page=1")).json()
    served = {row["inner_id"]: row["data"] for row in body["result"]}
    observed = _read("autoapi_che168_observed_row.json")["row"]
    assert served[observed["inner_id"]] == observed["data"]
    for language in ("en", "ru"):
        for event in _read(f"autoapi_che168_offers_docs_{language}.json")["result"]:
            assert event in body["result"]
    assert body["meta"] == {"page": 1, "next_page": None, "limit": 20}


@needs_data
async def test_event_fields_are_filled_in_beside_the_data(upstream: Upstream) -> None:
    for row in (await upstream(recorded=DATA).get("/offers?page=1")).json()["result"]:
        assert {"id", "inner_id", "change_type", "created_at", "data"} <= set(row)
        assert row["change_type"] == "added"


@needs_data
async def test_every_configuration_file_becomes_one_offer(upstream: Upstream) -> None:
    rows = (await upstream(recorded=DATA).get("/offers?page=1")).json()["result"]
    composed = [row["data"] for row in rows if row["inner_id"].startswith("9000")]
    tables = {path.name: _read(path.name) for path in sorted(DATA.glob("che168_configuration_*.json"))}
    assert len(composed) == len(tables)
    for data, (name, content) in zip(composed, tables.items(), strict=True):
        if "flat" in name:
            assert data["configuration"] == content
        else:
            assert data["extra"]["configuration"] == content.get("configuration", content)


@needs_data
async def test_the_other_endpoints_answer_from_their_files(upstream: Upstream) -> None:
    client = upstream(recorded=DATA)
    flat = _read("autoapi_che168_offer_flat_docs_ru.json")
    assert (await client.get("/offer", params={"inner_id": flat["inner_id"]})).json() == flat
    assert (await client.get("/filters")).json() == _read("autoapi_che168_filters_docs_en.json")
    change_id = (await client.get("/change_id?date=2026-11-20")).json()["change_id"]
    assert change_id == _read("autoapi_che168_change_id_docs_en.json")["change_id"]
    events = (await client.get("/changes?change_id=0")).json()["result"]
    documented = [_read(f"autoapi_che168_changes_docs_{language}.json")["result"] for language in ("en", "ru")]
    assert events == [*documented[0], *documented[1]]
    assert (await client.get(f"/changes?change_id={change_id}")).json()["meta"]["next_change_id"] is None


@needs_data
@pytest.mark.parametrize("platform", ["dongchedi", "encar"])
async def test_other_platforms_are_served_from_their_files(upstream: Upstream, platform: str) -> None:
    base = f"http://upstream/api/v2/{platform}"
    body = (await upstream(recorded=DATA).get(f"{base}/offers?page=1")).json()
    assert body["result"] == _read(f"autoapi_{platform}_offers_docs_en.json")["result"]


@needs_data
async def test_the_truth_of_recordings_is_what_is_listed(upstream: Upstream) -> None:
    client = upstream(recorded=DATA)
    rows = (await client.get("/offers?page=1")).json()["result"]
    truth = (await client.get("http://upstream/_sandbox/truth")).json()["result"]
    assert {row["inner_id"]: row["data"] for row in truth} == {row["inner_id"]: row["data"] for row in rows}


def _write(folder: Path, **files: object) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return folder


async def test_filters_work_on_recordings(upstream: Upstream, tmp_path: Path) -> None:
    rows = [
        {"inner_id": str(n), "data": {"mark": mark, "year": year}}
        for n, (mark, year) in enumerate([("Kia", 2013), ("BMW", "2022"), ("Kia", "")])
    ]
    client = upstream(recorded=_write(tmp_path, autoapi_che168_offers_docs_en={"result": rows}))
    for query, expected in (("mark=kia", ["0", "2"]), ("year_from=2010", ["0", "1"]), ("mark=kia&year_to=2013", ["0"])):
        body = (await client.get(f"/offers?page=1&{query}")).json()
        assert [row["inner_id"] for row in body["result"]] == expected


def test_a_recording_keeps_more_than_a_page(tmp_path: Path) -> None:
    rows = [{"inner_id": str(n), "data": {}} for n in range(25)]
    recording = read_recordings(_write(tmp_path, autoapi_che168_offers_docs_en={"result": rows}))["che168"]
    assert [event["id"] for event in recording.listed.values()] == list(range(1, 26))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param({}, "no recorded offers", id="empty folder"),
        pytest.param({"readme": {}}, "no recorded offers", id="foreign files"),
        pytest.param({"autoapi_che168_observed_row": {"data": {}}}, "observed_row", id="wrong shape"),
        pytest.param({"autoapi_che168_offers_docs_en": []}, "offers", id="a list"),
    ],
)
def test_a_folder_that_cannot_be_served_is_refused(tmp_path: Path, files: dict[str, object], said: str) -> None:
    with pytest.raises(BadRecordingError, match=said):
        read_recordings(_write(tmp_path, **files))
