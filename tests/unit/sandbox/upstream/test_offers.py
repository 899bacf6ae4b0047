"""Generated offers: the same from the same seed, of a realistic size, odd at the documented rates."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pytest

from sandbox.upstream.errors import BadOptionError
from sandbox.upstream.filters import OfferFilter
from sandbox.upstream.generated import GeneratedSource, World
from sandbox.upstream.quirks import NO_QUIRKS, Quirks

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVERYTHING = OfferFilter()


def _source(offers: int = 2_000, seed: int = 1, quirks: Quirks | None = None) -> GeneratedSource:
    rates = Quirks() if quirks is None else quirks
    return GeneratedSource(World(offers, seed, "che168", 120, 7, NOW, rates))


def _rows(source: GeneratedSource, pages: int) -> list[bytes]:
    return [row for page in range(1, pages + 1) for row in source.offers("che168", page, EVERYTHING).rows]


@lru_cache(maxsize=1)
def _plain() -> list[dict[str, Any]]:
    return _data(NO_QUIRKS)


def _data(quirks: Quirks | None = None, pages: int = 40) -> list[dict[str, Any]]:
    return [json.loads(row)["data"] for row in _rows(_source(quirks=quirks), pages)]


def test_the_same_seed_gives_the_same_bytes_in_any_order_of_asking() -> None:
    first, second = _source(seed=7), _source(seed=7)
    pages = [2, 50, 1, 99]
    asked = {page: first.offers("che168", page, EVERYTHING).rows for page in pages}
    assert asked == {page: second.offers("che168", page, EVERYTHING).rows for page in reversed(pages)}


def test_another_seed_gives_other_offers() -> None:
    assert not set(_rows(_source(seed=1), 5)) & set(_rows(_source(seed=2), 5))


def test_records_have_a_realistic_size() -> None:
    sizes = sorted(len(row) for row in _rows(_source(offers=5_000), 100))
    assert 3_000 < sizes[len(sizes) // 2] < 8_000
    assert sum(3_000 <= size <= 8_192 for size in sizes) / len(sizes) > 0.9
    assert sizes[-1] < 10_000


def test_a_page_of_a_quarter_million_offers_needs_no_memory() -> None:
    source = _source(offers=250_000)
    source.offers("che168", 1, EVERYTHING)
    tracemalloc.start()
    for page in range(1, 12_500, 250):
        source.offers("che168", page, EVERYTHING)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200_000


def test_the_configuration_has_the_shape_and_the_ids_of_the_live_feed() -> None:
    names: dict[int, set[str]] = {}
    for data in _plain():
        table = data["extra"]["configuration"]
        assert str(table["specid"]) == data["specid"]
        for group in table["paramtypeitems"]:
            for item in group["paramitems"]:
                assert list(item) == ["id", "name", "value"]
                assert isinstance(item["value"], str)
                names.setdefault(item["id"], set()).add(item["name"])
    assert all(len(found) == 1 for found in names.values())
    assert {93, 94, 91, 90, 86, 87, 88, 101, 108, 92, 115, 96, 97, 28, 29, 30, 31, 36, 26, 106, 58, 3, 4} <= set(names)
    assert names[93] == {"车型名称"}
    assert names[88] == names[15] == {"最大功率(kW)"}


def test_electric_cars_have_no_engine_group_and_others_no_motor_group() -> None:
    groups: dict[str, set[tuple[str, ...]]] = {}
    for data in _plain():
        shown = tuple(group["name"] for group in data["extra"]["configuration"]["paramtypeitems"])
        groups.setdefault(data["engine_type"], set()).add(shown)
    frame, rest = ("基本参数", "车身"), ("变速箱", "底盘转向", "车轮制动")
    assert groups["Electric"] == {(*frame, "电动机", *rest)}
    assert groups["Gasoline"] == {(*frame, "发动机", *rest)}
    assert groups["Plug-in Hybrid"] == {(*frame, "发动机", "电动机", *rest)}


def _table(data: dict[str, Any]) -> dict[str, Any]:
    extra = json.loads(data["extra"]) if isinstance(data["extra"], str) else data["extra"]
    table: dict[str, Any] = extra["configuration"]
    return table


def _is_chinese(text: str) -> bool:
    return any("一" <= letter <= "鿿" for letter in text)


def _has_no_ids(data: dict[str, Any]) -> bool:
    return "id" not in _table(data)["paramtypeitems"][0]["paramitems"][0]


Sign = Callable[[dict[str, Any]], bool]


@pytest.mark.parametrize(
    ("quirk", "sign"),
    [
        pytest.param("mark_chinese", lambda d: _is_chinese(d["mark"]), id="mark in Chinese"),
        pytest.param("commercial", lambda d: d["body_type"] == "Light Truck", id="commercial"),
        pytest.param("model_empty", lambda d: d["model"] == "", id="no model"),
        pytest.param("model_with_mark", lambda d: d["model"].startswith(d["mark"]), id="mark inside the model"),
        pytest.param("configuration_absent", lambda d: d["configuration"] == "", id="no trim"),
        pytest.param("complectation_empty", lambda d: d["complectation"] == "", id="no complectation"),
        pytest.param("year_zero", lambda d: d["year"] == 0, id="year 0"),
        pytest.param("year_empty", lambda d: d["year"] == "", id="no year"),
        pytest.param("never_registered", lambda d: d["first_registration"] == "未上牌", id="never registered"),
        pytest.param("registration_empty", lambda d: d["first_registration"] == "", id="no registration"),
        pytest.param("price_zero", lambda d: d["price"] == 0, id="price 0"),
        pytest.param("km_zero", lambda d: d["km_age"] == 0, id="km 0"),
        pytest.param("numbers_as_strings", lambda d: isinstance(d["km_age"], str), id="numbers as strings"),
        pytest.param("engine_type_missing", lambda d: d["engine_type"] == "", id="no engine type"),
        pytest.param("enum_russian", lambda d: d["section"] == "б/у", id="Russian"),
        pytest.param("enum_lower_case", lambda d: d["drive_type"][0].islower(), id="lower case"),
        pytest.param("enum_unmapped", lambda d: _is_chinese(d["color"]), id="unmapped colour"),
        pytest.param("district_empty", lambda d: d["address"].endswith(", "), id="no district"),
        pytest.param("is_dealer_as_string", lambda d: d["is_dealer"] == "true", id="boolean as string"),
        pytest.param("specid_mismatch", lambda d: d["specid"] != str(_table(d)["specid"]), id="table of another trim"),
        pytest.param("images_as_json_string", lambda d: str(d["images"]).startswith('["'), id="images as JSON string"),
        pytest.param("images_one_url", lambda d: str(d["images"]).startswith("https:"), id="one image"),
        pytest.param("images_empty", lambda d: d["images"] == "", id="no images"),
        pytest.param("extra_as_json_string", lambda d: isinstance(d["extra"], str), id="extra as JSON string"),
        pytest.param("data_id_differs", lambda d: d["id"] < 1_200_000, id="two ids"),
        pytest.param("hostile_text", lambda d: d["description"][-1] in "\x00\ud83d", id="what JSONB cannot hold"),
        pytest.param("param_ids_absent", _has_no_ids, id="parameters without ids"),
    ],
)
def test_a_quirk_occurs_at_its_rate_and_not_when_switched_off(quirk: str, sign: Sign) -> None:
    assert not any(sign(data) for data in _plain())
    share = sum(sign(data) for data in _data(NO_QUIRKS.with_rate(quirk, 0.3))) / 800
    assert 0.2 < share < 0.4


def test_the_default_rates_are_those_of_the_documents() -> None:
    counts = Counter[str]()
    for data in _data(pages=100):
        if data["url"]:
            counts["all"] += 1
            counts["no model"] += data["model"] == ""
            counts["no engine"] += data["engine_type"] == ""
            counts["images string"] += str(data["images"]).startswith('["')
    assert 0.01 < counts["no model"] / counts["all"] < 0.03
    assert 0.04 < counts["no engine"] / counts["all"] < 0.08
    assert 0.5 < counts["images string"] / counts["all"] < 0.7


def test_a_shell_has_all_keys_and_says_nothing() -> None:
    rows = [
        json.loads(row)["data"]
        for row in _rows(
            _source(quirks=NO_QUIRKS.with_rate("empty_shell", 0.1).with_rate("repeated_inner_id", 0.1)), 50
        )
    ]
    full = next(data for data in rows if data["url"])
    shells = [data for data in rows if not data["url"]]
    assert shells
    for shell in shells:
        assert set(shell) == set(full)
        assert {name for name, value in shell.items() if value != ""} == {"id", "inner_id"}


@pytest.mark.parametrize(("name", "rate"), [("unheard_of", 0.1), ("commercial", 1.5), ("commercial", -0.1)])
def test_a_rate_without_meaning_is_refused(name: str, rate: float) -> None:
    with pytest.raises(BadOptionError):
        Quirks().with_rate(name, rate)
