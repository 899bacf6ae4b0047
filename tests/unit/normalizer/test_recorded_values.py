"""Values of 197,683 real records, and the ids of all parameters, through the normaliser."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from normalizer.core.offers.configuration import PARAMETERS
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import Offer, PlatformProfile

DATA: Final = Path(__file__).parents[3] / ".." / "shared" / "data"
LEAST_SHARE: Final = 0.98


@cache
def recorded(name: str) -> Any:
    path = DATA / name
    if not path.is_file():
        pytest.skip("no recorded values here")
    return json.loads(path.read_text(encoding="utf-8"))


def table(*items: tuple[int, Any], specid: int | None = None) -> dict[str, Any]:
    groups = [{"paramitems": [{"id": number, "value": value} for number, value in items]}]
    return {"extra": {"configuration": {"specid": specid, "paramtypeitems": groups}}}


def offer_with(field: str, value: str) -> tuple[Offer, list[str]]:
    parts = field.split(".")
    data = table((int(parts[1]), value)) if parts[0] == "configuration" else {field: value}
    offer, odd = normalise(json.dumps(data).encode(), PlatformProfile())
    assert msgspec.json.decode(msgspec.json.encode(offer))
    return offer, [oddity.field for oddity in odd]


CLOSED: Final[dict[str, Callable[[Offer], Any]]] = {
    "engine_type": lambda offer: offer.engine_type,
    "configuration.90.value": lambda offer: offer.engine_type,
    "configuration.20.value": lambda offer: offer.engine_type,
    "configuration.108.value": lambda offer: offer.transmission_type,
    "configuration.115.value": lambda offer: offer.body_type,
    "address": lambda offer: offer.province and offer.city,
}
"""Fields whose values are one of a known set, and what each must give."""
COMPOSITE: Final[dict[str, Callable[[Offer], Any]]] = {
    "configuration.93.value": lambda offer: offer.model and offer.year and offer.complectation and offer.title,
    "configuration.101.value": lambda offer: offer.power_hp,
    "configuration.115.value": lambda offer: offer.parameters["doors"] and offer.parameters["seats"],
    "configuration.92.value": lambda offer: offer.parameters["length_mm"] and "width_mm" not in offer.parameters,
}
"""Parameters that are several in one, and what must come out of each."""


@pytest.mark.parametrize(("field", "said"), [*CLOSED.items(), *COMPOSITE.items()])
def test_nearly_every_recorded_value_is_understood(field: str, said: Callable[[Offer], Any]) -> None:
    values = recorded("che168_real_values.json")["fields"][field]["values"]
    weights = {item["value"]: item["count"] for item in values}
    missed = {value: weight for value, weight in weights.items() if not said(offer_with(field, value)[0])}
    share = 1 - sum(missed.values()) / sum(weights.values())
    print(f"{field}: {share:.2%} of {sum(weights.values())} records, {len(weights)} values")  # noqa: T201 - shown by -s
    assert share >= LEAST_SHARE, missed


def test_no_recorded_value_raises_or_is_unreadable() -> None:
    fields = recorded("che168_real_values.json")["fields"]
    odd = {field: offer_with(field, item["value"])[1] for field, entry in fields.items() for item in entry["values"]}
    assert sum(len(entry["values"]) for entry in fields.values()) > 590
    assert {field: names for field, names in odd.items() if names} == {}


def test_all_parameter_ids_go_through_and_the_known_ones_get_their_names() -> None:
    ids = {int(number): entry for number, entry in recorded("che168_param_ids.json")["ids"].items()}
    assert len(ids) == 133
    for value in ("5", "-", "未知", "", None, 5, ["x"], "x" * 30_000):
        offer, _ = normalise(json.dumps(table(*((number, value) for number in ids))).encode(), PlatformProfile())
        names = {name for number, (name, _) in PARAMETERS.items() if number in ids}
        said = value is not None and value not in ("-", "未知", "") and not isinstance(value, list)
        assert offer.parameters.keys() == (names if said else set()), value
    assert {number for number in PARAMETERS if number not in ids} == set()


def test_our_chinese_names_are_those_of_the_source() -> None:
    ids = {int(number): entry["name_cn"] for number, entry in recorded("che168_param_ids.json")["ids"].items()}
    names = {number: chinese for number, (_, chinese) in PARAMETERS.items() if chinese}
    assert {number: (ids[number], said) for number, said in names.items() if not said.startswith(ids[number])} == {}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(
            [(101, "2.9T 510马力 V6")],
            {"displacement_l": 2.9, "power_hp": 510.0, "power_kw": 375.1},
            id="an engine in one line",
        ),
        pytest.param([(101, "增程式 84马力")], {"power_hp": 84.0, "displacement_l": None}, id="a range extender"),
        pytest.param([(101, "2.0L  147马力 L4")], {"power_hp": 147.0, "displacement_l": 2.0}, id="two blanks"),
        pytest.param([(101, "1.5T 150马力 L4"), (14, "160")], {"power_hp": 160.0}, id="said alone as well"),
        pytest.param([(108, "CVT无级变速(模拟5挡)")], {"transmission_type": "cvt"}, id="a gearbox with a remark"),
        pytest.param([(108, "7挡湿式双离合")], {"transmission_type": "dual_clutch"}, id="a gearbox with gears"),
        pytest.param([(40, "湿式双离合变速箱(DCT)")], {"transmission_type": "dual_clutch"}, id="a type of gearbox"),
        pytest.param([(115, "4门5-6座皮卡")], {"body_type": "pickup"}, id="a body with doors and seats"),
        pytest.param([(42, "前置四驱")], {"drive_type": "awd"}, id="a drive"),
        pytest.param([(90, "甲醇混动")], {"engine_type": "methanol_hybrid"}, id="an energy type"),
        pytest.param(
            [(93, "沃尔沃XC90插电式混动 2026款 T8 智远豪华版 7座")],
            {
                "model": "沃尔沃XC90插电式混动",
                "year": 2026,
                "complectation": "T8 智远豪华版 7座",
                "title": "沃尔沃XC90插电式混动 2026款 T8 智远豪华版 7座",
            },
            id="series, model year and trim",
        ),
        pytest.param([(93, "A款 B")], {"model": None, "year": None, "title": "A款 B"}, id="a name without a year"),
    ],
)
def test_what_no_field_says_is_taken_from_the_parameters(
    items: list[tuple[int, str]], expected: dict[str, Any]
) -> None:
    offer, odd = normalise(json.dumps(table(*items)).encode(), PlatformProfile())
    assert {name: getattr(offer, name) for name in expected} == expected
    assert odd == []


def test_what_a_field_says_wins_over_the_parameters() -> None:
    parts = [
        (93, "宝马1系 2021款 125i"),
        (101, "2.0T 231马力 L4"),
        (90, "汽油"),
        (115, "5门5座两厢车"),
        (42, "前置后驱"),
    ]
    own = {"model": "M2", "title": "T", "complectation": "C", "year": 2020, "power": 100, "displacement": 1.5}
    words = {"engine_type": "Diesel", "body_type": "Coupe", "drive_type": "AWD"}
    offer, _ = normalise(json.dumps(table(*parts) | own | words).encode(), PlatformProfile())
    assert (offer.model, offer.title, offer.complectation, offer.year) == ("M2", "T", "C", 2020)
    assert (offer.power_hp, offer.displacement_l) == (100.0, 1.5)
    assert (offer.engine_type, offer.body_type, offer.drive_type) == ("diesel", "coupe", "awd")


def test_nothing_is_taken_from_the_table_of_another_trim() -> None:
    data = table((93, "宝马1系 2021款 125i"), (101, "2.0T 231马力 L4"), specid=1) | {"specid": "2"}
    offer, _ = normalise(json.dumps(data).encode(), PlatformProfile())
    assert (offer.title, offer.year, offer.power_hp, offer.parameters) == (None, None, None, {})
