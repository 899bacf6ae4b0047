"""What other platforms of the family send, read with the settings that `config.yaml` has for them (UPSTREAMS §1.10)."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from normalizer.app import profiles
from normalizer.core.merge import is_shell, split
from normalizer.core.offers.fields import known_keys
from normalizer.core.offers.normalise import normalise, price_of
from normalizer.core.offers.record import Offer, PlatformProfile
from normalizer.core.offers.vocabulary import CODES, code
from normalizer.settings import NormalizerSettings
from sandbox.upstream.catalogue import UNMAPPED_COLOR, UNMAPPED_ENGINE
from sandbox.upstream.filters import OfferFilter
from sandbox.upstream.generated import GeneratedSource, World
from sandbox.upstream.quirks import DOCUMENTED_QUIRKS

ROOT = Path(__file__).parents[3]
DATA = ROOT / ".." / "shared" / "data"
PLATFORMS = ("che168", "dongchedi", "encar")


@pytest.fixture(autouse=True)
def _settings_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def profile_of(platform: str) -> PlatformProfile:
    found = profiles(NormalizerSettings())[platform]
    assert isinstance(found, PlatformProfile)
    return found


def read(platform: str, **data: Any) -> tuple[Offer, list[str]]:
    offer, odd = normalise(json.dumps(data).encode(), profile_of(platform))
    return offer, [f"{oddity.field}:{oddity.reason}" for oddity in odd]


def recorded(name: str) -> Any:
    path = DATA / name
    if not path.is_file():
        pytest.skip("no recorded payloads here")
    return json.loads(path.read_text(encoding="utf-8"))


def generated(platform: str) -> GeneratedSource:
    world = World(
        offers=400,
        seed=1,
        platform=platform,
        changes_per_day=60,
        history_days=2,
        now=datetime(2026, 11, 1, tzinfo=UTC),
        quirks=DOCUMENTED_QUIRKS,
    )
    return GeneratedSource(world)


def test_dongchedi_as_documented() -> None:
    data = recorded("autoapi_dongchedi_offers_docs_en.json")["result"][0]["data"]
    offer, odd = read("dongchedi", **data | {"extra_prep": json.dumps({"warranty": "1 year", "inspection": {"a": 1}})})
    expected = {
        "price": 268000.0,
        "currency": "CNY",
        "power_hp": 321.0,
        "first_registration": date(2022, 6, 15),
        "color": "white",
        "drive_type": "awd",
        "engine_type": "hybrid",
        "seller_type": "dealer",
        "seller": "BYD 4S Store",
        "owners_count": 1,
        "options": ["Heated Seats", "360 Camera", "Autopilot"],
        "province": "Beijing",
        "city": "Beijing",
        "district": "Chaoyang District",
        "complectation": "2.0T Hybrid AWD Premium",
        "parameters": {"warranty": "1 year"},
        "details": {"inspection": {"a": 1}},
    }
    assert {name: getattr(offer, name) for name in expected} == expected
    assert odd == []


def test_encar_as_documented() -> None:
    data = recorded("autoapi_encar_offers_docs_en.json")["result"][0]["data"]
    extra = {
        "diagnosis": {"ok": "yes"},
        "inspection": {"km": 1},
        "accidents": [{"date": "2022-05", "phone": "PRIVATE"}],
    }
    more = {"year_month": "202106", "displacement": 2199, "power": "202", "options": ["001", "005"], "extra": extra}
    offer, odd = read("encar", **data | more)
    expected = {
        "price": 31_900_000.0,
        "currency": "KRW",
        "displacement_l": 2.2,
        "power_hp": 202.0,
        "first_registration": date(2021, 6, 1),
        "generation": "Diesel 2.2 4WD",
        "configuration": "Diesel 2.2 4WD",
        "complectation": "Prestige",
        "province": "Busan",
        "city": "Busan",
        "district": "Gijang-gun",
        "seller_type": "dealer",
        "options": ["001", "005"],
        "details": {"diagnosis": {"ok": "yes"}, "inspection": {"km": 1}, "accidents": [{"date": "2022-05"}]},
    }
    assert {name: getattr(offer, name) for name in expected} == expected
    assert odd == []


@pytest.mark.parametrize(
    ("data", "price", "odd"),
    [
        pytest.param({"price": 3490, "price_won": 34_900_000}, 34_900_000.0, [], id="both agree"),
        pytest.param({"price": 3490, "price_won": "34905000"}, 34_905_000.0, [], id="won are exact"),
        pytest.param({"price": 3290, "price_won": 34_900_000}, 32_900_000.0, ["price:conflict"], id="contradiction"),
        pytest.param({"price_won": 34_900_000}, 34_900_000.0, [], id="won alone"),
        pytest.param({"price": "3490", "price_won": ""}, 34_900_000.0, [], id="units alone"),
        pytest.param({"price": 0, "price_won": "0"}, 0.0, [], id="0 is a price"),
        pytest.param({"price": 3490, "price_won": "ask"}, 34_900_000.0, ["price_won:unreadable"], id="won in words"),
        pytest.param({}, None, [], id="none"),
    ],
)
def test_a_price_in_two_units(data: dict[str, Any], price: float | None, odd: list[str]) -> None:
    offer, found = read("encar", **data)
    assert (offer.price, found) == (price, odd)


PRICES = st.one_of(
    st.none(),
    st.integers(-1, 10**13),
    st.floats(0, 1e12),
    st.sampled_from(["", "3490", "12.5", "１２", "-", "ask", "5万", "1e3", True, [], {"price": 1}]),
)


@pytest.mark.parametrize("platform", PLATFORMS)
@given(st.data())
@settings(max_examples=100)
def test_what_makes_the_price_makes_nothing_else_and_takes_nothing_else(platform: str, data: st.DataObject) -> None:
    profile = profile_of(platform)
    offers = [json.loads(row)["data"] for row in generated(platform).offers(platform, 1, OfferFilter()).rows]
    others = {
        name: value for name, value in data.draw(st.sampled_from(offers)).items() if name not in profile.price_fields
    }
    said = data.draw(st.dictionaries(st.sampled_from(sorted(profile.price_fields)), PRICES))
    offer, odd = normalise(json.dumps(others | said).encode(), profile)
    without, odd_without = normalise(json.dumps(others).encode(), profile)
    assert structs.replace(without, price=offer.price) == offer
    excerpt = json.dumps(dict.fromkeys(profile.price_fields) | said).encode()
    price, odd_of_price = price_of(excerpt, profile)
    assert price == offer.price
    assert Counter(odd_of_price) == Counter(odd) - Counter(odd_without)


def test_a_price_in_won_means_nothing_to_a_platform_that_has_none() -> None:
    assert read("che168", price=5, price_won=1)[0].price == 5.0


def test_litres_of_a_parameter_are_litres_on_a_platform_that_counts_cubic_centimetres() -> None:
    table = {"paramtypeitems": [{"paramitems": [{"id": 4, "value": "2.0"}]}]}
    assert read("encar", extra={"configuration": table})[0].displacement_l == 2.0


@pytest.mark.parametrize("platform", ["dongchedi", "encar"])
def test_every_word_of_the_documented_filters_has_a_code(platform: str) -> None:
    filters = recorded(f"autoapi_{platform}_filters_docs_en.json")
    words = [(field, word) for field in CODES for word in filters.get(field, [])]
    assert len(words) > 30
    assert [(field, word) for field, word in words if not code(field, word)[1]] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_the_stand_in_sends_is_read_to_the_last_key(platform: str) -> None:
    source, profile = generated(platform), profile_of(platform)
    rows = [json.loads(row) for page in range(1, 20) for row in source.offers(platform, page, OfferFilter()).rows]
    unknown: set[str] = set()
    odd: set[tuple[str, str, str]] = set()
    for row in rows:
        unknown |= row["data"].keys() - known_keys(profile)
        odd |= set(normalise(json.dumps(row["data"]).encode(), profile)[1])
    assert len(rows) > 350
    assert unknown == set()
    assert {word for _, reason, word in odd if reason == "unmapped"} <= {UNMAPPED_COLOR, UNMAPPED_ENGINE}
    assert {field for field, reason, _ in odd if reason != "unmapped"} <= {"first_registration"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_shell_of_any_platform_says_anything(platform: str) -> None:
    writer = generated(platform)
    shells = [
        row
        for page in range(1, 20)
        for row in writer.offers(platform, page, OfferFilter()).rows
        if not json.loads(row)["data"]["mark"]
    ]
    bodies = [msgspec.json.encode(json.loads(row)["data"]) for row in shells]
    empty = b'{"id":5,"inner_id":"7","price":"","price_won":null,"equipment":[],"extra":{},"extra_prep":"{}"}'
    assert all(is_shell(split(body)) for body in [*bodies, empty])
    assert not is_shell(split(b'{"inner_id":"7","price":0}'))
