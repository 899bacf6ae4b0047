"""The enumerations: three languages, any case, one code."""

import json
from pathlib import Path

import pytest

from normalizer.core.offers.vocabulary import CODES, code

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"


@pytest.mark.parametrize(
    ("field", "words", "expected"),
    [
        ("engine_type", ["Gasoline", "GASOLINE", "Бензиновый", "бензиновый", "汽油"], "gasoline"),
        (
            "engine_type",
            ["Plug-in Hybrid", "plug-in hybrid", "Подключаемый гибрид (PHEV)", "插电混动"],
            "plug_in_hybrid",
        ),
        ("engine_type", ["Range Extender", "Расширитель диапазона", "增程式"], "range_extender"),
        ("engine_type", ["Gasoline + 48V Mild Hybrid", "汽油+48V轻混系统"], "gasoline_mild_hybrid"),
        ("engine_type", ["甲醇混动"], "methanol_hybrid"),
        ("transmission_type", ["Automatic", "автоматическая", "自动"], "automatic"),
        ("transmission_type", ["Manual", "Механическая", "手动"], "manual"),
        ("body_type", ["Crossover/SUV", "crossover/suv", "Кроссовер/внедорожник", "越野车"], "suv"),
        ("body_type", ["седан/хэтчбек", "Sedan/Hatchback"], "sedan_hatchback"),
        ("drive_type", ["FWD", "передний привод", "前置前驱"], "fwd"),
        ("drive_type", ["RWD (mid-engine)", "Задний", "后驱"], "rwd"),
        ("drive_type", ["awd (front-engine)", "AWD (quad-motor)", "Полный привод", "四驱"], "awd"),
        ("drive_type", ["полный привод (три мотора)", "AWD (сзади)", "四驱（双电机）"], "awd"),
        ("transmission_type", ["Automatic (8AT)", "手自一体变速箱(AT)"], "automatic"),
        ("engine_type", ["Hybrid (Diesel)"], "diesel_hybrid"),
        ("color", ["Dark Gray", "Тёмно-серый", "темно-серый", "深灰色"], "dark_gray"),
        ("seller_type", ["dealer", "Дилер", "商家"], "dealer"),
    ],
)
def test_one_code_in_every_language_and_case(field: str, words: list[str], expected: str) -> None:
    assert {word: code(field, word) for word in words} == dict.fromkeys(words, (expected, True))


def test_runs_of_blanks_are_one_blank() -> None:
    assert code("drive_type", "  AWD \n (dual-motor) ") == ("awd", True)


@pytest.mark.parametrize("field", CODES)
def test_a_code_is_its_own_word(field: str) -> None:
    assert {found: code(field, found) for found in CODES[field].values()} == {
        found: (found, True) for found in CODES[field].values()
    }


@pytest.mark.parametrize("field", CODES)
def test_an_unknown_word_is_kept_as_it_came_and_said_to_be_unknown(field: str) -> None:
    assert code(field, "Перспективный Тип") == ("Перспективный Тип", False)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_word_of_the_vendors_filters_is_known(language: str) -> None:
    path = DATA / f"autoapi_che168_filters_docs_{language}.json"
    if not path.is_file():
        pytest.skip("no recorded filters here")
    filters = json.loads(path.read_text(encoding="utf-8"))
    unknown = [
        (field, word)
        for field in CODES
        for word in filters.get(field, [])
        if isinstance(word, str) and "elided" not in word and not code(field, word)[1]
    ]
    assert unknown == []
