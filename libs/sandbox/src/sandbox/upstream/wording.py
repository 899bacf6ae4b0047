"""Texts of offers as ready JSON: descriptions, addresses, pictures, the `extra` object."""

import json
from typing import Literal

from sandbox.upstream import catalogue
from sandbox.upstream.draws import Draws
from sandbox.upstream.specs import inside_string, to_json

NEVER_REGISTERED = to_json("未上牌")
SECTIONS = (to_json("Used"), to_json("б/у"))
ADDRESSES = tuple((to_json(f"{city}, {district}"), to_json(f"{city}, ")) for city, district in catalogue.ADDRESSES)

_LINES = tuple(
    to_json(line)[1:-1]
    for line in (
        "个人一手车，保养记录齐全，随时可查。",
        "车况精品，内饰干净整洁，无烟味。",
        "承诺无重大事故、无水泡、无火烧，可签合同。",
        "支持第三方检测，支持全国过户和物流发车。",
        "可按揭分期，手续简单，当天提车。",
        "原版原漆，轮胎刚换，刹车片八成新。",
        '老板自用"备用车"，公里数真实可查。',
        "4S店置换车源，价格可小议，欢迎到店看车。",
        "Full service history, two keys, ready for export.",
        "配置：全景天窗/电动尾门/座椅加热/360°影像",
        "交强险到明年六月，年检到后年。",
    )
)
_DESCRIPTIONS = tuple(
    b'"%b"' % rb"\n".join(_LINES[(first + 3 * n) % len(_LINES)] for n in range(count))
    for count in (2, 3, 4, 5)
    for first in range(len(_LINES))
)
_OPTION_NAMES = ("全景天窗", "电动后备厢", "座椅通风", "抬头显示", "车载冰箱", "自适应巡航")
_HOSTILE = (rb"\u0000", rb"\ud83d")
_IMAGE = b"https://2sc2.autoimg.cn/escimg/auto/g%d/M%02X/%02X/%02X/1024x768_c42_autohomecar__Chx%04X%04X"
_MOST_IMAGES = 6


def _image_template(quote: bytes, count: int) -> bytes:
    """Return `count` addresses with a place for what they have in common."""
    return b",".join(quote + b"%%b%02d.jpg.webp" % index + quote for index in range(count))


_TEMPLATES: dict[str, tuple[bytes, ...]] = {
    "array": tuple(b"[" + _image_template(b'"', count) + b"]" for count in range(_MOST_IMAGES + 1)),
    "string": tuple(b'"[' + _image_template(b'\\"', count) + b']"' for count in range(_MOST_IMAGES + 1)),
    "url": (b"", _image_template(b'"', 1)),
}


def images(d: Draws, count: int, shape: Literal["array", "string", "url"]) -> bytes:
    """Return `count` (up to 6) picture addresses as an array, as a JSON string of an array, or as one address."""
    stem = _IMAGE % (24 + d.images % 12, d.color % 16, d.price % 256, d.km % 256, d.images, d.image_count)
    return _TEMPLATES[shape][count] % ((stem,) * count)


def description(d: Draws, *, is_hostile: bool) -> bytes:
    """Return two to five lines of praise; a hostile one ends in what JSONB cannot hold."""
    text = _DESCRIPTIONS[d.description % len(_DESCRIPTIONS)]
    return text[:-1] + _HOSTILE[d.spare % len(_HOSTILE)] + b'"' if is_hostile else text


def plain_description(d: Draws) -> str:
    """Return the same as a text, never a hostile one."""
    text: str = json.loads(description(d, is_hostile=False))
    return text


def _options(count: int) -> dict[str, object]:
    shown = [{"optionname": name} for name in _OPTION_NAMES[:count]]
    more = [{"typename": "舒适配置", "opts": [{"optionname": name} for name in _OPTION_NAMES[count : count + 2]]}]
    return {"displayopts": shown, "moreoptions": more if count else []}


_OPTIONS = tuple(to_json(_options(count)) for count in (0, 0, 1, 2, 4))
_OPTIONS_IN_STRING = tuple(inside_string(option) for option in _OPTIONS)
_INSPECTIONS = (to_json({}), to_json({"phone": "400-000-0000", "level": "A"}))
_INSPECTIONS_IN_STRING = tuple(inside_string(inspection) for inspection in _INSPECTIONS)


def extra_object(table: bytes, d: Draws, *, has_phone: bool) -> bytes:
    """Return the `extra` object around a parameter table."""
    return b'{"inspection":%b,"configuration":%b,"option":%b}' % (
        _INSPECTIONS[has_phone],
        table,
        _OPTIONS[d.complectation % len(_OPTIONS)],
    )


def extra_in_string(table_in_string: bytes, d: Draws, *, has_phone: bool) -> bytes:
    """Return the same as a JSON string; the table must come escaped."""
    return b'"{\\"inspection\\":%b,\\"configuration\\":%b,\\"option\\":%b}"' % (
        _INSPECTIONS_IN_STRING[has_phone],
        table_in_string,
        _OPTIONS_IN_STRING[d.complectation % len(_OPTIONS)],
    )
