"""The key parameters of `configuration`, in every shape of UPSTREAMS §2."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalizer.core.offers.configuration import PARAMETERS, parameters

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"


def read(configuration: Any, specid: str | None = None) -> dict[str, str]:
    return parameters(json.dumps(configuration).encode(), specid=specid)


def a_table(*items: dict[str, Any], specid: Any = 57217) -> dict[str, Any]:
    return {"specid": specid, "paramtypeitems": [{"name": "发动机", "paramitems": list(items)}]}


DISPLACEMENT = {"id": 3, "name": "排量(mL)", "value": "1998"}


@pytest.mark.parametrize(
    "configuration",
    [
        pytest.param(a_table(DISPLACEMENT), id="live: paramtypeitems"),
        pytest.param(json.dumps(a_table(DISPLACEMENT)), id="live, as a JSON string"),
        pytest.param(a_table({"name": "排量(mL)", "value": "1998"}), id="live, without ids"),
        pytest.param({"排量(mL)": "1998"}, id="flat"),
        pytest.param(
            {
                "result": {
                    "paramtypeitems": [{"paramitems": [{"id": 3, "valueitems": [{"specid": 1, "value": "1998"}]}]}]
                }
            },
            id="autohome: one value for each trim",
        ),
        pytest.param({"returncode": 0, "message": "", "result": a_table(DISPLACEMENT)}, id="GetParam: in a result"),
        pytest.param(
            {"returncode": 0, "result": [{"title": "发动机", "data": [{"name": "排量(mL)", "content": "1998"}]}]},
            id="mobile: title, data and content",
        ),
        pytest.param(
            {"specid": 1, "paramtypeitems": [{"paramitems": None}, {"paramitems": [DISPLACEMENT]}]}, id="gaps"
        ),
    ],
)
def test_every_shape_gives_the_same_parameter(configuration: Any) -> None:
    assert read(configuration) == {"displacement_ml": "1998"}


@pytest.mark.parametrize("configuration", ["125i", "", "{", "{not json", None, 5, [], [1], {}, {"paramtypeitems": []}])
def test_what_holds_no_table_gives_nothing(configuration: Any) -> None:
    assert read(configuration) == {}


def test_the_id_counts_before_the_name() -> None:
    both = a_table(
        {"id": 88, "name": "最大功率(kW)", "value": "300"},
        {"id": 15, "name": "最大功率(kW)", "value": "141"},
        {"id": 99999, "name": "排量(mL)", "value": "1"},
        {"id": "3", "name": "whatever", "value": "1998"},
    )
    assert read(both) == {"system_power_kw": "300", "engine_power_kw": "141", "displacement_ml": "1998"}


def test_a_name_that_stands_under_two_ids_says_nothing_without_an_id() -> None:
    assert read(a_table({"name": "最大功率(kW)", "value": "141"})) == {}


@pytest.mark.parametrize(("specid", "used"), [("57217", True), (None, True), ("1", False)])
def test_a_table_of_another_trim_is_not_used(specid: str | None, *, used: bool) -> None:
    assert bool(read(a_table(DISPLACEMENT), specid)) is used


def test_a_table_that_names_no_trim_is_used() -> None:
    assert read(a_table(DISPLACEMENT, specid=None), "1") == {"displacement_ml": "1998"}


@pytest.mark.parametrize(
    ("specid", "expected"),
    [("2", {"displacement_ml": "1498"}), ("3", {}), (None, {})],
    ids=["its own", "none", "unsure"],
)
def test_of_several_trims_side_by_side_only_the_own_one_is_used(specid: str | None, expected: dict[str, str]) -> None:
    item = {"id": 3, "valueitems": [{"specid": 1, "value": "1998"}, {"specid": 2, "value": "1498"}]}
    assert read({"paramtypeitems": [{"paramitems": [item]}]}, specid) == expected


def test_missing_values_are_left_out() -> None:
    items: list[dict[str, Any]] = [
        {"id": 3, "value": "-"},
        {"id": 4, "value": ""},
        {"id": 6, "value": "未知"},
        {"id": 13, "value": None},
    ]
    assert read(a_table(*items)) == {}


def test_what_postgresql_refuses_cannot_come_out_of_a_json_string() -> None:
    hostile = json.dumps({"a\x00b": "c\x00d", "\x00": "x"})
    assert read(hostile) == {"ab": "cd"}


def test_no_name_of_ours_stands_for_two_ids() -> None:
    assert len({name for name, _ in PARAMETERS.values()}) == len(PARAMETERS)


def test_the_composed_table_of_a_real_car_is_read() -> None:
    path = DATA / "che168_configuration_composed_A4L.json"
    if not path.is_file():
        pytest.skip("no recorded configuration here")
    found = read(json.loads(path.read_text(encoding="utf-8"))["configuration"], "51933")
    expected = {
        "manufacturer": "一汽奥迪",
        "energy_type": "汽油",
        "system_power_kw": "140",
        "engine": "2.0T 190马力 L4",
        "guide_price": "32.18万",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert len(found) >= 25


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
ITEMS = st.dictionaries(st.sampled_from(["id", "name", "value", "content", "valueitems", "specid"]), VALUES, max_size=4)
SHAPES = st.dictionaries(
    st.sampled_from(["specid", "paramtypeitems", "result", "name"]),
    VALUES | st.lists(st.dictionaries(st.sampled_from(["paramitems", "data"]), VALUES | st.lists(ITEMS), max_size=2)),
)


@settings(max_examples=200)
@given(SHAPES | st.builds(json.dumps, SHAPES))
def test_no_shape_raises(configuration: Any) -> None:
    for value in read(configuration, "1").values():
        assert value
        assert "\x00" not in value


@pytest.mark.parametrize("padding", [0, 20_000], ids=["kept", "too long to be kept"])
def test_the_same_table_is_read_for_each_trim_on_its_own(padding: int) -> None:
    table = json.dumps({"specid": 1, "paramtypeitems": [{"paramitems": [{"id": 26, "value": "5"}]}]}).encode()
    raw = table + b" " * padding
    for _ in range(2):
        assert parameters(raw, specid="1") == {"seats": "5"}
        assert parameters(raw, specid="2") == {}
        assert parameters(raw, specid=None) == {"seats": "5"}


@pytest.mark.parametrize(
    ("names", "is_kept"),
    [
        pytest.param('"paramtypeitems":[{"paramitems":[{"id":94,"value":"奥迪"}]}]', True, id="a table"),
        pytest.param('"厂商":"奥迪"', False, id="a flat object, whose names nobody bounds"),
        pytest.param('"paramtypeitems":[{"paramitems":[{"id":94,"value":"奥迪%s"}]}]' % ("x" * 9000), False, id="long"),
    ],
)
def test_tables_are_kept_where_they_take_little_memory(names: str, *, is_kept: bool) -> None:
    raw = f"{{{names}}}".encode()
    found = parameters(raw, specid=None)
    assert found["manufacturer"].startswith("奥迪")
    assert (parameters(raw, specid=None) is found) is is_kept
