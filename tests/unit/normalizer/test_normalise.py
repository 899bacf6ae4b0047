"""From the raw JSON of an offer to its typed record."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import Offer, PlatformProfile

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
CHE168 = PlatformProfile()
MORE_FIELDS = ["power", "displacement", "ice_power_ps", "ice_power_kw", "electric_power_ps", "configuration", "extra"]
A_TABLE = {
    "specid": 1,
    "paramtypeitems": [
        {
            "paramitems": [
                {"id": 93, "value": "宝马1系 2021款 125i"},
                {"id": 3, "value": "1998"},
                {"id": 14, "value": "192"},
            ]
        }
    ],
}


def read(profile: PlatformProfile = CHE168, **data: Any) -> Offer:
    return normalise(json.dumps(data).encode(), profile)[0]


def odd(**data: Any) -> list[str]:
    return [f"{o.field}:{o.reason}" for o in normalise(json.dumps(data).encode(), CHE168)[1]]


def test_the_row_observed_on_the_live_api_is_read_to_the_last_quirk() -> None:
    path = DATA / "autoapi_che168_observed_row.json"
    if not path.is_file():
        pytest.skip("no recorded row here")
    row = json.loads(path.read_text(encoding="utf-8"))["row"]["data"]
    offer, oddities = normalise(json.dumps(row).encode(), CHE168)
    assert oddities == []
    expected = {
        "mark": "BMW",
        "model": "1 Series",
        "complectation": "125i",
        "year": 2022,
        "price": 98000.0,
        "currency": "CNY",
        "km_age": 0,
        "first_registration": date(2022, 9, 1),
        "engine_type": "gasoline",
        "transmission_type": "automatic",
        "drive_type": "fwd",
        "body_type": "sedan_hatchback",
        "displacement_l": 2.0,
        "power_hp": 192.0,
        "power_kw": 141.0,
        "specid": "57217",
        "parameters": {"displacement_ml": "1998"},
    }
    assert {name: getattr(offer, name) for name in expected} == expected
    assert len(offer.images) == 1
    assert "PRIVATE" not in msgspec.json.encode(offer).decode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"year": "2022"}, 2022, id="text"),
        pytest.param({"year": 2022}, 2022, id="number"),
        pytest.param({"year": 0, "first_registration": "2019-03"}, 2019, id="0: the registration's"),
        pytest.param({"year": "", "first_registration": "2019-03"}, 2019, id="empty: the registration's"),
        pytest.param({"year": 3000, "first_registration": "2019-03"}, 2019, id="impossible: the registration's"),
        pytest.param({"first_registration": "未上牌", "extra": {"configuration": A_TABLE}}, 2021, id="the trim name's"),
        pytest.param({"first_registration": "0001-01-01"}, None, id="a date that means none"),
        pytest.param({}, None, id="nowhere"),
    ],
)
def test_the_year_has_three_sources(data: dict[str, Any], expected: int | None) -> None:
    assert read(**data).year == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"price": "98000"}, 98000.0),
        ({"price": 98000}, 98000.0),
        ({"price": "98000.5"}, 98000.5),
        ({"price": 0}, 0.0),
        ({"price": "0"}, 0.0),
        ({"price": "-1"}, None),
        ({"price": ""}, None),
        ({"price": 1e12}, None),
        ({}, None),
    ],
)
def test_a_price_is_whole_or_not_and_0_is_a_price(data: dict[str, Any], expected: float | None) -> None:
    assert read(**data).price == expected


@pytest.mark.parametrize("price", [9e11, 899_999_999_999.99, 90_000_000, 90_000_001])
@pytest.mark.parametrize("multiplier", [1, 10_000, 1_000_000])
def test_no_price_exceeds_its_column_whatever_the_unit(price: float, multiplier: int) -> None:
    found = read(PlatformProfile(price_multiplier=multiplier), price=price).price
    assert found is None or found < 1e12


def test_a_price_in_units_of_ten_thousand_won() -> None:
    encar = PlatformProfile(currency="KRW", price_multiplier=10_000, power_field="power", displacement_unit="cc")
    offer = read(encar, price=3490, power="180", displacement="1598")
    assert (offer.price, offer.currency, offer.displacement_l, offer.power_hp) == (34_900_000.0, "KRW", 1.6, 180.0)


def test_other_platforms_name_their_fields_otherwise() -> None:
    other = PlatformProfile(
        currency="EUR", price_field="price_eur", power_field="horse_power", registration_field="reg_date"
    )
    offer = read(other, price_eur="12000", horse_power="150", reg_date="2020-05-17", price=5, power=1)
    assert (offer.price, offer.power_hp, offer.first_registration) == (12000.0, 150.0, date(2020, 5, 17))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"displacement": "2.0"}, 2.0),
        ({"displacement": 1498}, 1.5),
        ({"displacement": "0"}, 0.0),
        ({"displacement": "", "extra": {"configuration": A_TABLE}}, 2.0),
        ({"displacement": 20_001}, None),
        ({}, None),
    ],
)
def test_displacement_is_litres(data: dict[str, Any], expected: float | None) -> None:
    assert read(**data).displacement_l == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"power": "192", "ice_power_kw": "141"}, (192.0, 141.0)),
        ({"power": "192"}, (192.0, 141.2)),
        ({"ice_power_kw": 141}, (191.7, 141.0)),
        ({"power": "", "ice_power_ps": "192"}, (192.0, 141.2)),
        ({"electric_power_ps": "300", "electric_power_kw": "220"}, (300.0, 220.0)),
        ({"extra": {"configuration": A_TABLE}}, (192.0, 141.2)),
        ({"power": "500", "ice_power_kw": "100"}, (500.0, 367.7)),
        ({"power": "", "hybrid_power_ps": "500", "ice_power_ps": "150", "electric_power_ps": "400"}, (500.0, 367.7)),
        ({"power": "0"}, (None, None)),
        ({"power": 10_001}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_power_is_said_in_horsepower_and_kilowatts(
    data: dict[str, Any], expected: tuple[float | None, float | None]
) -> None:
    offer = read(**data)
    assert (offer.power_hp, offer.power_kw) == expected


@pytest.mark.parametrize(
    ("address", "city"),
    [
        ("Shanghai, Minhang", "Shanghai"),
        ("西安, ", "Xi'an"),
        ("济南，莱芜", "Jinan"),
        ("Atlantis, Harbour", "Atlantis"),
        (", x", None),
        ("", None),
        (None, None),
    ],
)
def test_the_city_stands_before_the_comma_and_has_an_english_name(address: str | None, city: str | None) -> None:
    assert read(address=address).city == city


@pytest.mark.parametrize(
    ("extra", "options"),
    [
        (
            {"option": {"displayopts": [{"optionname": "A"}], "moreoptions": [{"opts": [{"optionname": "B"}]}]}},
            ["A", "B"],
        ),
        ('{"option":{"displayopts":[{"optionname":"A"},{"optionname":"A"}]}}', ["A"]),
        ({"option": {"displayopts": None, "moreoptions": [None, {"opts": "x"}, 5]}}, []),
        ({"option": []}, []),
        ('{"option":', []),
        ("text", []),
        (None, []),
    ],
)
def test_options_come_from_an_object_or_a_json_string(extra: Any, options: list[str]) -> None:
    assert read(extra=extra).options == options


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            {"extra": {"configuration": A_TABLE}, "configuration": "125i"}, id="in extra, with a trim beside it"
        ),
        pytest.param({"extra": {"configuration": json.dumps(A_TABLE)}}, id="in extra, as a JSON string"),
        pytest.param({"extra": json.dumps({"configuration": A_TABLE})}, id="extra as a JSON string"),
        pytest.param({"configuration": A_TABLE}, id="at the top"),
        pytest.param({"configuration": A_TABLE, "extra": {"configuration": ""}}, id="at the top, and empty in extra"),
    ],
)
def test_the_configuration_is_found_wherever_it_stands(data: dict[str, Any]) -> None:
    assert read(**data).parameters["displacement_ml"] == "1998"


@pytest.mark.parametrize("length", [100, 300])
def test_what_stands_far_behind_in_a_parameter_is_not_searched_for(length: int) -> None:
    """Patterns that were tried at each of 20,000 characters held up everything for seconds."""
    far = "x" * length
    said = {93: f"{far} 2022款 Deluxe", 101: f"{far}178马力", 108: f"{far}8挡", 42: f"前置前驱({far})"}
    items = [{"id": identity, "value": value} for identity, value in said.items()]
    offer = read(configuration={"paramtypeitems": [{"paramitems": items}]})
    found = (offer.year, offer.power_hp, offer.parameters.get("gears"), offer.drive_type)
    assert found == ((2022, 178, "8", "fwd") if length == 100 else (None, None, None, None))


def test_the_configuration_of_another_trim_is_not_used() -> None:
    offer = read(specid="2", extra={"configuration": A_TABLE})
    assert (offer.parameters, offer.displacement_l, offer.year) == ({}, None, None)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"engine_type": "Steam"}, ["engine_type:unmapped"], id="a word that nobody knows"),
        pytest.param({"price": "on request"}, ["price:unreadable"], id="a price in words"),
        pytest.param({"km_age": -5}, ["km_age:unreadable"], id="a negative distance"),
        pytest.param({"first_registration": "soon"}, ["first_registration:unreadable"], id="a date in words"),
        pytest.param({"url": "javascript:x"}, ["url:unreadable"], id="no address"),
        pytest.param({"url": "https://a.cn/12.html", "inner_id": "13"}, ["url:conflict"], id="another offer"),
        pytest.param({"url": "https://a.cn/12.html", "inner_id": 12}, [], id="address with the id"),
        pytest.param({"url": "https://a.cn/12.html", "inner_id": ""}, [], id="address and no id"),
        pytest.param({"price": [1]}, ["price:unreadable"], id="a price in a list"),
        pytest.param({"address": "Atlantis, Harbour"}, ["city:unmapped"], id="a city that nobody knows"),
        pytest.param({"title": ["A4"]}, ["title:unreadable"], id="a text in a list"),
        pytest.param({"mark": True}, ["mark:unreadable"], id="a truth value for a name"),
        pytest.param({"color": {"en": "Red"}}, ["color:unreadable"], id="an object for a word"),
        pytest.param({"specid": [1]}, ["specid:unreadable"], id="an id in a list"),
        pytest.param({"vin": {"x": 1}, "salon_id": [7]}, ["salon_id:unreadable", "vin:unreadable"], id="more ids"),
        pytest.param({"is_dealer": "perhaps"}, ["is_dealer:unreadable"], id="neither true nor false"),
        pytest.param({"power": "strong"}, ["power:unreadable"], id="power in words"),
        pytest.param({"power": 10_001}, ["power:unreadable"], id="more power than there is"),
        pytest.param({"ice_power_kw": -5}, ["ice_power_kw:unreadable"], id="a negative power"),
        pytest.param({"images": "no picture"}, ["images:unreadable"], id="no address for a picture"),
        pytest.param({"images": '["https://a/1.jpg", 5]'}, ["images:unreadable"], id="one picture of two"),
        pytest.param({"address": "x, " * 100}, ["city:unmapped"], id="an address that is too long"),
        pytest.param({"power": "0", "electric_power_ps": 0, "images": "[]", "is_dealer": ""}, [], id="none of it"),
        pytest.param({"images": ["https://a/1.jpg", ""], "vin": "-"}, [], id="an empty place among pictures"),
        pytest.param({"address": "济南, 莱芜", "year": "0", "price": {}}, [], id="nothing odd"),
        pytest.param({"price": "-", "first_registration": "未上牌", "url": "", "color": "未知"}, [], id="nothing said"),
    ],
)
def test_what_could_not_be_read_is_named(data: dict[str, Any], expected: list[str]) -> None:
    assert odd(**data) == expected


def test_an_unmapped_word_is_kept_as_it_came() -> None:
    assert read(engine_type="Steam").engine_type == "Steam"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"price":1e400,"mark":"BMW"}', ["price:unreadable"], id="a number beyond a double"),
        pytest.param(b'{"mark":"BMW","price":' + b"9" * 5000 + b"}", ["price:unreadable"], id="5,000 digits"),
        pytest.param(b'{"other":1e400,"extra":{"x":1e400},"mark":"BMW"}', [], id="in a field that nobody reads"),
        pytest.param(b'{"mark":"BMW","images":[[1e400]]}', ["images:unreadable"], id="deep inside"),
    ],
)
def test_a_number_that_python_cannot_hold_costs_its_field_and_not_the_offer(body: bytes, expected: list[str]) -> None:
    offer, oddities = normalise(body, CHE168)
    assert (offer.mark, offer.price, [f"{o.field}:{o.reason}" for o in oddities]) == ("BMW", None, expected)


def test_of_a_repeated_key_the_last_counts_as_in_jsonb() -> None:
    assert normalise(b'{"price":1,"price":2}', CHE168)[0].price == 2.0


def test_what_is_no_object_raises() -> None:
    with pytest.raises(msgspec.DecodeError):
        normalise(b"[]", CHE168)


def test_the_document_holds_what_is_said_and_nothing_else() -> None:
    offer = read(mark="BMW", price=0, is_dealer="false", first_registration="2022-09")
    assert msgspec.to_builtins(offer) == {
        "mark": "BMW",
        "price": 0.0,
        "currency": "CNY",
        "is_dealer": False,
        "first_registration": "2022-09-01",
        "year": 2022,
    }


def test_the_keys_of_a_document_stand_as_jsonb_keeps_them() -> None:
    table = {"paramtypeitems": [{"paramitems": [{"id": 93, "value": "A4L 2022款"}, {"id": 91, "value": "B级"}]}]}
    offer = read(mark="BMW", price=0, year=2022, is_dealer="false", extra={"configuration": table})
    document = msgspec.to_builtins(offer)
    for keys in (Offer.__struct_fields__, list(document), list(document["parameters"])):
        assert list(keys) == sorted(keys, key=lambda key: (len(key), key))
        assert len(keys) > 1


FIELDS = [*(name for name in Offer.__struct_fields__ if name != "options"), *MORE_FIELDS]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(
        ["98000", "-", "未知", "0", "2022-09", "1e400", "9" * 400, "{", "[", '["https://a"]', "\x00", "万"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["option", "configuration", "specid", "paramtypeitems", "\x00"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)
RAW_VALUES = VALUES.map(json.dumps) | st.sampled_from(["1e400", "-1e-400", "9" * 5000, "[" * 900 + "]" * 900])


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(FIELDS), RAW_VALUES, max_size=8))
def test_no_object_raises_and_everything_fits_its_column(data: dict[str, str]) -> None:
    body = "{" + ",".join(f'"{name}":{value}' for name, value in data.items()) + "}"
    offer, _ = normalise(body.encode(), CHE168)
    assert b"\\u0000" not in msgspec.json.encode(offer)
    assert offer.year is None or 1900 <= offer.year <= 2100
    assert offer.price is None or 0 <= offer.price < 1e12
    assert offer.km_age is None or 0 <= offer.km_age < 2**31
    assert offer.displacement_l is None or 0 <= offer.displacement_l < 1000
    assert all(power is None or 0 < power < 1e6 for power in (offer.power_hp, offer.power_kw))
    assert all(len(name or "") <= 200 for name in (offer.mark, offer.model))
