"""Addresses in four languages: one province and one city."""

import json
from pathlib import Path

import pytest

from normalizer.core.offers import gazetteer
from normalizer.core.offers.palladius import cyrillic
from normalizer.core.offers.places import Place, place

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Shanghai, Minhang", ("Shanghai", "Shanghai", "Minhang")),
        ("上海市闵行区", ("Shanghai", "Shanghai", "闵行区")),
        ("Шанхай, Миньхан", ("Shanghai", "Shanghai", "Миньхан")),
        ("西安, ", ("Shaanxi", "Xi'an", None)),
        ("Xi’an, Yanta", ("Shaanxi", "Xi'an", "Yanta")),
        ("Сиань", ("Shaanxi", "Xi'an", None)),
        ("济南, 莱芜", ("Shandong", "Jinan", "莱芜")),
        ("济南，莱芜", ("Shandong", "Jinan", "莱芜")),
        ("山东省济南市历下区", ("Shandong", "Jinan", "历下区")),
        ("山东 济南", ("Shandong", "Jinan", None)),
        ("内蒙古自治区, 呼和浩特市", ("Inner Mongolia", "Hohhot", None)),
        ("Inner Mongolia, Hohhot", ("Inner Mongolia", "Hohhot", None)),
        ("延边朝鲜族自治州延吉市", ("Jilin", "Yanbian", "延吉市")),
        ("新疆维吾尔自治区喀什地区", ("Xinjiang", "Kashgar", None)),
        ("Цзыбо", ("Shandong", "Zibo", None)),
        ("Шэньчжэнь, Лунган", ("Guangdong", "Shenzhen", "Лунган")),
        ("Пекин", ("Beijing", "Beijing", None)),
        ("Beijing, Chaoyang District", ("Beijing", "Beijing", "Chaoyang District")),
        ("Haidian, Beijing", ("Beijing", "Beijing", "Haidian")),
        ("China, Guangzhou City", ("Guangdong", "Guangzhou", None)),
        ("吉林, 长春", ("Jilin", "Changchun", None)),
        ("吉林, 昌邑", ("Jilin", "Jilin", "昌邑")),
        ("山西", ("Shanxi", None, None)),
        ("Shanxi", ("Shanxi", None, None)),
        ("陕西", ("Shaanxi", None, None)),
        ("Shaanxi", ("Shaanxi", None, None)),
        ("苏州", ("Jiangsu", "Suzhou", None)),
        ("宿州", ("Anhui", "Suzhou", None)),
        ("Suzhou", (None, "Suzhou", None)),
        ("Suzhou, Anhui", ("Anhui", "Suzhou", None)),
        ("Anhui, Suzhou", ("Anhui", "Suzhou", None)),
        ("儋州, 那大镇", ("Hainan", "Danzhou", "那大镇")),
        ("Busan Gijang-gun", ("Busan", "Busan", "Gijang-gun")),
        ("Пусан", ("Busan", "Busan", None)),
        ("Gyeonggi Suwon-si Paldal-gu", ("Gyeonggi", "Suwon", "Paldal-gu")),
        ("Gyeonggi-do Yangpyeong-gun", ("Gyeonggi", "Yangpyeong-gun", None)),
        ("서울 강남구", ("Seoul", "Seoul", "강남구")),
        (", x", (None, None, "x")),
        ("未知, 海淀", (None, None, "海淀")),
        ("", (None, None, None)),
        (" , ，、", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_an_address_is_read_in_any_language(address: str | None, expected: tuple[str | None, ...]) -> None:
    assert place(address) == Place(*expected)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Atlantis, Harbour", Place(None, "Atlantis", "Harbour", "Atlantis")),
        ("Shandong, Atlantis", Place("Shandong", "Atlantis", None, "Atlantis")),
        ("Gyeonggi Atlantis", Place("Gyeonggi", "Atlantis", None, "Atlantis")),
        ("海" * 201, Place(unknown="海" * 201)),
    ],
)
def test_what_is_not_known_stays_as_it_came_and_is_named(address: str, expected: Place) -> None:
    assert place(address) == expected


@pytest.mark.parametrize(
    ("address", "city", "region", "expected"),
    [
        ("Beijing, Chaoyang", "Beijing", "Beijing", Place("Beijing", "Beijing", "Chaoyang")),
        (None, "Shenzhen", None, Place("Guangdong", "Shenzhen")),
        ("Pudong", "Shanghai", None, Place("Shanghai", "Shanghai")),
        ("Suzhou", None, "安徽", Place("Anhui", "Suzhou")),
        (None, None, "广东省", Place("Guangdong")),
    ],
)
def test_fields_of_their_own_win_over_the_address(
    address: str | None, city: str | None, region: str | None, expected: Place
) -> None:
    assert place(address, city, region) == expected


@pytest.mark.parametrize(
    ("pinyin", "russian"),
    [
        ("ji nan", "цзинань"),
        ("xi an", "сиань"),
        ("chong qing", "чунцин"),
        ("wu han", "ухань"),
        ("zheng zhou", "чжэнчжоу"),
        ("guang zhou", "гуанчжоу"),
        ("yun nan", "юньнань"),
        ("xu zhou", "сюйчжоу"),
        ("quan zhou", "цюаньчжоу"),
        ("lü liang", "люйлян"),
        ("an hui", "аньхуэй"),
        ("yue yang", "юэян"),
        ("wen zhou", "вэньчжоу"),
        ("luo yang", "лоян"),
        ("zi bo", "цзыбо"),
    ],
)
def test_russian_names_follow_palladius(pinyin: str, russian: str) -> None:
    assert cyrillic(pinyin.split()) == russian


def test_every_name_of_the_gazetteer_is_found_in_three_languages() -> None:
    lines = [line.partition(": ") for line in gazetteer.CHINA.splitlines() if line]
    cities = [(province.split()[0], entry) for province, _, rest in lines for entry in rest.split(", ") if entry]
    assert (len(lines), len(cities)) == (34, 373)
    for province, entry in cities:
        chinese, *syllables = entry.partition("=")[0].split()
        said = place(f"{province}, {chinese}")
        assert (said.unknown, place(f"{province}, {''.join(syllables)}")) == (None, said), entry
        assert place(f"{province}, {cyrillic(syllables)}") == said, entry


def test_every_address_of_the_recorded_values_has_a_province_and_a_city() -> None:
    path = DATA / "che168_real_values.json"
    if not path.is_file():
        pytest.skip("no recorded values here")
    addresses = json.loads(path.read_text(encoding="utf-8"))["fields"]["address"]["values"]
    found = {item["value"]: place(item["value"]) for item in addresses}
    assert [address for address, said in found.items() if said.unknown or not (said.province and said.city)] == []
