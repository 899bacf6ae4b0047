"""The key parameters of an offer's `configuration`, whatever shape it comes in (UPSTREAMS §2).

A parameter is known by its **id**; its name counts only where the id is missing, for one name stands under several
ids. The values of another `specid` belong to another trim and are not used.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from normalizer.core.offers import values

PARAMETERS: Final[dict[int, tuple[str, str]]] = {
    93: ("trim_name", "车型名称"),
    94: ("manufacturer", "厂商"),
    91: ("segment", "级别"),
    90: ("energy_type", "能源类型"),
    86: ("guide_price", "厂商指导价(元)"),
    87: ("launched", "上市时间"),
    88: ("system_power_kw", ""),
    116: ("system_torque_nm", ""),
    101: ("engine", "发动机"),
    108: ("gearbox", "变速箱"),
    92: ("dimensions_mm", "长*宽*高(mm)"),
    115: ("body_structure", "车身结构"),
    96: ("top_speed_kmh", "最高车速(km/h)"),
    97: ("acceleration_0_100_s", "官方0-100km/h加速(s)"),
    95: ("fuel_nedc_l_100km", "NEDC综合油耗(L/100km)"),
    28: ("length_mm", "长度(mm)"),
    29: ("width_mm", "宽度(mm)"),
    30: ("height_mm", "高度(mm)"),
    31: ("wheelbase_mm", "轴距(mm)"),
    36: ("doors", "车门数(个)"),
    26: ("seats", "座位数(个)"),
    106: ("curb_weight_kg", "整备质量(kg)"),
    58: ("engine_model", "发动机型号"),
    3: ("displacement_ml", "排量(mL)"),
    4: ("displacement_l", "排量(L)"),
    13: ("aspiration", "进气形式"),
    6: ("cylinders", "气缸数(个)"),
    14: ("engine_power_ps", "最大马力(Ps)"),
    15: ("engine_power_kw", ""),
    17: ("engine_torque_nm", ""),
    20: ("fuel", "燃料形式"),
    25: ("emission_standard", "环保标准"),
    40: ("gearbox_type", "变速箱类型"),
    41: ("gears", "挡位个数"),
    42: ("drive", "驱动方式"),
    64: ("battery_kwh", "电池能量(kWh)"),
    125: ("range_cltc_km", "CLTC纯电续航里程(km)"),
}
"""Id → our name and the source's name. A source name under two ids is left out: without an id it says nothing sure."""

_COMPOSITES: Final = tuple(
    (name, re.compile(pattern), tuple(re.compile(pattern).groupindex))
    for name, pattern in (
        (
            "engine",
            r"(?:(?P<displacement_l>\d+\.\d+)[TL]\s*)?(?:.*?(?P<engine_power_ps>\d+)马力)?(?:\s*[LVHWR](?P<cylinders>\d+))?",
        ),
        ("dimensions_mm", r"(?P<length_mm>[^*]*)\*(?P<width_mm>[^*]*)\*(?P<height_mm>[^*]*)$"),
        ("body_structure", r"(?:(?P<doors>\d+)门)?(?:(?P<seats>\d+(?:-\d+)?)座)?"),
        ("gearbox", r".*?(?P<gears>\d+)挡"),
    )
)
"""Parameters that are several in one, such as `2.9T 510马力 V6`, `5283*未知*1977`, `4门5-6座皮卡`; a part that the
table also says alone is taken from there. Looked for in `LONGEST_SEARCHED` characters, for it takes their square."""
_OTHER_UNIT: Final = {"displacement_l": "displacement_ml"}

_BY_NAME: Final = {chinese: name for name, chinese in PARAMETERS.values() if chinese}
_BY_ID: Final = {identity: name for identity, (name, _) in PARAMETERS.items()}


class _Value(msgspec.Struct, gc=False):
    specid: Any = None
    value: Any = None


class _Item(msgspec.Struct, gc=False):
    id: Any = None
    name: Any = None
    value: Any = None
    content: Any = None
    valueitems: list[_Value] | None = None


class _Group(msgspec.Struct, gc=False):
    paramitems: list[_Item] | None = None
    data: list[_Item] | None = None


class _PlainItem(msgspec.Struct, gc=False):
    id: int
    value: str


class _PlainGroup(msgspec.Struct, gc=False):
    paramitems: list[_PlainItem]


class _PlainTable(msgspec.Struct, gc=False):
    """The live feed's own shape; it is nearly every table, and its names need not be read."""

    paramtypeitems: list[_PlainGroup]
    specid: int | str | None = None


class _Table(msgspec.Struct, gc=False):
    specid: Any = None
    paramtypeitems: list[_Group] | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


_decode_plain = msgspec.json.Decoder(_PlainTable).decode
_decode_table = msgspec.json.Decoder(_Table).decode
_decode_groups = msgspec.json.Decoder(list[_Group]).decode
_decode_any = msgspec.json.Decoder().decode


def parameters(raw: bytes, *, specid: str | None) -> dict[str, str]:
    """Return our name → value as text of the known parameters; empty for a plain string or another trim.

    Offers of one trim have one table, so those read last are kept: nobody may change what is returned.

    Args:
        raw: JSON of `configuration`: an object, a JSON string with one, or a plain trim such as `"125i"`.
        specid: The offer's own, if it names one.
    """
    return _kept(raw, specid) if len(raw) <= _LONGEST_KEPT and _TABLE in raw else _read(raw, specid)


def _read(raw: bytes, specid: str | None) -> dict[str, str]:
    found = _said(raw, specid)
    for name, pattern, parts in _COMPOSITES:
        whole = pattern.match(found[name][: values.LONGEST_SEARCHED]) if name in found else None
        for part in parts if whole else ():
            value = values.text(whole[part]) if whole and whole[part] else None
            if value is not None and _OTHER_UNIT.get(part, part) not in found:
                found[part] = value
    return dict(sorted(found.items(), key=_place))  # as jsonb keeps keys, see `Offer`


def _said(raw: bytes, specid: str | None) -> dict[str, str]:
    if raw[:1] == b'"':
        inner = _string(raw)
        raw = inner.encode() if inner.lstrip().startswith("{") else b"{}"
    if raw[:1] != b"{":
        return {}
    try:
        return _plain(raw, specid)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    try:
        return dict(_known(raw, specid))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}


def _place(item: tuple[str, str]) -> tuple[int, str]:
    return len(item[0]), item[0]


_kept = lru_cache(maxsize=1024)(_read)
_LONGEST_KEPT: Final = 8_192
"""Bytes; tables of che168 have 4,600. A flat object is not kept: all its names are, and a thousand took 150 MB."""
_TABLE: Final = b"paramtypeitems"


def _string(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _plain(raw: bytes, specid: str | None) -> dict[str, str]:
    table = _decode_plain(raw)
    if _is_of_another_trim(table.specid, specid):
        return {}
    found = {}
    for group in table.paramtypeitems:
        for item in group.paramitems:
            name = _BY_ID.get(item.id)
            if name is not None and (value := values.text(item.value)) is not None:
                found[name] = value
    return found


def _is_of_another_trim(specid: Any, wanted: str | None) -> bool:
    own = values.text(specid)
    return wanted is not None and own is not None and own != wanted


def _known(raw: bytes, specid: str | None) -> Iterator[tuple[str, str]]:
    table = _decode_table(raw)
    result = bytes(table.result)
    if result[:1] == b"{":
        table = _decode_table(result)
    groups = _decode_groups(result) if result[:1] == b"[" else table.paramtypeitems
    if not groups:
        yield from _flat(raw)
        return
    if _is_of_another_trim(table.specid, specid):
        return
    for group in groups:
        for item in group.paramitems or group.data or []:
            name = _BY_ID.get(item.id) if type(item.id) is int else _name(item)
            if name is not None and (value := values.text(_value(item, specid))) is not None:
                yield name, value


def _name(item: _Item) -> str | None:
    identity = values.whole(item.id, low=0, high=1_000_000)
    return _BY_NAME.get(str(item.name)) if identity is None else _BY_ID.get(identity)


def _value(item: _Item, specid: str | None) -> Any:
    """Return the value; of a table that lists several trims side by side, the one of this trim or the only one."""
    if item.valueitems is None:
        return item.content if item.value is None else item.value
    if len(item.valueitems) == 1 and specid is None:
        return item.valueitems[0].value
    return next((v.value for v in item.valueitems if specid is not None and values.text(v.specid) == specid), None)


def _flat(raw: bytes) -> Iterator[tuple[str, str]]:
    """Read the flat object of the Russian documentation, under the source's own names."""
    for key, value in _decode_any(raw).items():
        name, found = values.name(key), values.text(value)
        if name is not None and found is not None and name not in {"specid", "paramtypeitems", "result"}:
            yield _BY_NAME.get(name, name), found
