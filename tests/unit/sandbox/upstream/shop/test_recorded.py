"""Recorded lists of a shop come back as they were recorded."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.sandbox.upstream.conftest import NOW

from sandbox.upstream.app import UpstreamOptions, create_app
from sandbox.upstream.errors import BadRecordingError
from sandbox.upstream.shop.recorded import read_shop

DATA = Path(__file__).parents[5] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded payloads are not here")


def _read(name: str) -> Any:
    return json.loads((DATA / name).read_text("utf-8"))


@needs_data
async def test_the_recorded_lists_are_served_untouched_day_by_day() -> None:
    app = create_app(UpstreamOptions(recorded=DATA, now=NOW))
    expected = [
        (_read("bot_igor_composed_on_main_true.json")["body"], _read("bot_igor_composed_on_main_false.json")["body"]),
        (_read("bot_igor_noxer_on_main_true_real_2025-09-09.json"), {"status": "ok", "products": []}),
    ]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream") as client:
        for day in (0, 1, 2):
            await client.post("/_sandbox/shop", json={"day": day})
            lists = [(await client.get(f"/api/products?on_main={main}")).json() for main in ("true", "false")]
            assert lists == list(expected[min(day, 1)])
            truth = (await client.get("/_sandbox/shop/truth")).json()
            assert len(truth["products"]) == sum(len(body["products"]) for body in lists)


def test_a_folder_may_hold_no_shop(tmp_path: Path) -> None:
    assert read_shop(tmp_path).is_empty


@pytest.mark.parametrize("content", [[], {"body": []}, {"products": [{}]}, {"products": [{"Product_ID": "1"}]}])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "bot_igor_on_main_true.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(BadRecordingError, match="on_main_true"):
        read_shop(tmp_path)
