"""The parameter table of a trim, in the shape and under the ids of the live feed (UPSTREAMS.md §2, shape a)."""

import random
from typing import Any

from sandbox.upstream.catalogue import Model

Item = tuple[int, str, str]
Group = tuple[str, list[Item]]

_ENERGY = {
    "gasoline": "汽油",
    "diesel": "柴油",
    "electric": "纯电动",
    "hybrid": "油电混合",
    "phev": "插电式混合动力",
    "reev": "增程式",
    "hydrogen": "氢燃料电池",
    "mild_hybrid_48": "汽油+48V轻混系统",
    "mild_hybrid_24": "汽油+24V轻混系统",
    "gasoline_cng": "汽油+CNG",
    "cng": "CNG",
}
_BODY = {
    "suv": ("5门5座SUV", "SUV", "中型SUV"),
    "sedan": ("4门5座三厢车", "三厢车", "中型车"),
    "hatchback": ("5门5座两厢车", "两厢车", "紧凑型车"),
    "minivan": ("5门7座MPV", "MPV", "中大型MPV"),
    "pickup": ("4门5座皮卡", "皮卡", "皮卡"),
    "coupe": ("2门2座硬顶跑车", "硬顶跑车", "跑车"),
    "microvan": ("5门7座微面", "微面", "微面"),
    "light_truck": ("2门2座货车", "货车", "轻卡"),
    "van": ("4门6座客车", "客车", "轻客"),
    "mini": ("3门4座两厢车", "两厢车", "微型车"),
}
_DRIVE = {
    "FWD": "前置前驱",
    "RWD": "前置后驱",
    "AWD": "前置四驱",
    "AWD2": "双电机四驱",
    "AWD3": "三电机四驱",
    "AWD4": "四电机四驱",
}
PLUGGED = frozenset({"electric", "phev", "reev"})
"""Engines with a battery to charge."""
MOTORED = PLUGGED | {"hybrid", "hydrogen"}
"""Engines with an electric motor group in their table."""
NO_COMBUSTION = frozenset({"electric", "hydrogen"})
"""Engines without the group of the combustion engine."""


def kilowatts(ps: int) -> int:
    """Convert metric horse powers to kW, rounded as the tables do."""
    return round(ps * 0.7355)


def configuration_table(model: Model, year: int, specid: int, dice: random.Random) -> dict[str, Any]:
    """Return `{"specid", "paramtypeitems": [{"name", "paramitems": [{"id", "name", "value"}]}]}`.

    All values are strings; what is not known is `"-"` or empty.
    """
    groups = [_basics(model, year, dice), _body(model, dice)]
    groups += [] if model.engine in NO_COMBUSTION else [_engine(model, dice)]
    groups += [_motor(model, dice)] if model.engine in MOTORED else []
    groups += [_gearbox(model), _chassis(model), _brakes(dice)]
    return _as_json(groups, specid)


def commercial_table(model: Model, year: int, specid: int, dice: random.Random) -> dict[str, Any]:
    """Return the table of a commercial vehicle: 1 to 12 parameters in all."""
    name, items = _basics(model, year, dice)
    return _as_json([(name, items[: dice.randint(1, 12)])], specid)


def without_ids(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table as some sources send it: parameters by name only."""
    groups = [
        {"name": group["name"], "paramitems": [{"name": i["name"], "value": i["value"]} for i in group["paramitems"]]}
        for group in table["paramtypeitems"]
    ]
    return {"specid": table["specid"], "paramtypeitems": groups}


def _as_json(groups: list[Group], specid: int) -> dict[str, Any]:
    return {
        "specid": specid,
        "paramtypeitems": [
            {"name": name, "paramitems": [{"id": i, "name": n, "value": v} for i, n, v in items]}
            for name, items in groups
        ],
    }


def _aspiration(model: Model) -> str:
    return "T" if model.ps > model.litres * 80 else "L"


def _cylinders(model: Model) -> int:
    for bound, cylinders in ((1.2, 3), (2.7, 4), (3.8, 6), (5.0, 8)):
        if model.litres <= bound:
            return cylinders
    return 10


def _engine_text(model: Model) -> str:
    if model.engine in NO_COMBUSTION:
        return f"{_ENERGY[model.engine]} {model.ps}马力"
    cylinders = _cylinders(model)
    layout = "L" if cylinders <= 4 else "V"  # noqa: PLR2004 - four in a row, more in a V
    return f"{model.litres:.1f}{_aspiration(model)} {model.ps}马力 {layout}{cylinders}"


def _gearbox_text(model: Model) -> tuple[str, str, str]:
    if model.engine in {"electric", "hydrogen", "reev"}:
        return "1", "固定齿比变速箱", "电动车单速变速箱"
    if model.engine in {"hybrid", "phev"}:
        return "无级变速", "电子无级变速箱(E-CVT)", "E-CVT无级变速"
    if model.body in {"microvan", "van", "light_truck"}:
        return "5", "手动变速箱(MT)", "5挡手动"
    return "8", "手自一体变速箱(AT)", "8挡手自一体"


def is_manual(model: Model) -> bool:
    """Tell whether the trim has a manual gearbox."""
    return _gearbox_text(model)[1].startswith("手动")


def _basics(model: Model, year: int, dice: random.Random) -> Group:
    length, width, height = _size(model)
    structure, _, level = _BODY[model.body]
    height_text = "未知" if dice.random() < 0.03 else str(height)  # noqa: PLR2004 - a share seen in composites
    burns = model.engine not in NO_COMBUSTION
    return "基本参数", [
        (93, "车型名称", f"{model.name_cn} {year}款 {model.trims}"),
        (86, "厂商指导价(元)", f"{model.list_price / 10_000:.2f}万"),
        (94, "厂商", model.mark_cn),
        (91, "级别", level),
        (90, "能源类型", _ENERGY[model.engine]),
        (104, "环保标准", "国VI" if burns and year > 2019 else "国V" if burns else "-"),  # noqa: PLR2004 - the year of 国VI
        (87, "上市时间", f"{year - 1}.{dice.randint(1, 12):02d}"),
        (88, "最大功率(kW)", str(kilowatts(model.ps))),
        (116, "最大扭矩(N·m)", str(round(model.ps * 1.55))),
        (101, "发动机", _engine_text(model) if burns else "-"),
        (102, "电动机(Ps)", str(model.ps) if model.engine in MOTORED else "-"),
        (108, "变速箱", _gearbox_text(model)[2]),
        (92, "长*宽*高(mm)", f"{length}*{width}*{height_text}"),
        (115, "车身结构", structure),
        (96, "最高车速(km/h)", str(150 + model.ps // 5)),
        (97, "官方0-100km/h加速(s)", f"{max(2.5, 12 - model.ps / 60):.1f}" if dice.random() < 0.8 else "-"),  # noqa: PLR2004 - a share
        (109, "实测0-100km/h加速(s)", "-"),
        (89, "实测100-0km/h制动(m)", "-"),
        (95, "NEDC综合油耗(L/100km)", f"{3 + model.litres * 2:.1f}" if burns else "-"),
        (117, "WLTC综合油耗(L/100km)", f"{3.4 + model.litres * 2:.2f}" if burns else ""),
        (125, "CLTC纯电续航里程(km)", str(dice.randint(12, 70) * 10) if model.engine in PLUGGED else "-"),
        (103, "整车质保", "三年或10万公里"),
        (110, "首任车主质保政策", "-"),
    ]


def _size(model: Model) -> tuple[int, int, int]:
    height = {"sedan": 1450, "coupe": 1290, "suv": 1680, "minivan": 1890, "van": 2380, "light_truck": 2250}
    length = 3400 if model.body == "mini" else 4300 + min(900, model.list_price // 1000)
    return length, 1750 + min(250, model.list_price // 4000), height.get(model.body, 1520)


def _body(model: Model, dice: random.Random) -> Group:
    length, width, height = _size(model)
    structure, shape, _ = _BODY[model.body]
    return "车身", [
        (28, "长度(mm)", str(length)),
        (29, "宽度(mm)", str(width)),
        (30, "高度(mm)", str(height)),
        (31, "轴距(mm)", str(round(length * 0.6))),
        (32, "前轮距(mm)", str(width - 260)),
        (33, "后轮距(mm)", str(width - 255)),
        (34, "满载最小离地间隙(mm)", str(dice.randint(110, 220))),
        (133, "接近角(°)", str(dice.randint(12, 28))),
        (134, "离去角(°)", str(dice.randint(12, 28))),
        (139, "最小转弯半径(m)", f"{dice.randint(50, 63) / 10}"),
        (35, "车身结构", shape),
        (36, "车门数(个)", structure[0]),
        (26, "座位数(个)", structure[2]),
        (38, "油箱容积(L)", "-" if model.engine in NO_COMBUSTION else str(dice.randint(40, 90))),
        (39, "后备厢容积(L)", str(dice.randint(200, 900)) if dice.random() < 0.6 else "-"),  # noqa: PLR2004 - a share
        (106, "整备质量(kg)", str(900 + length // 8 + model.ps)),
        (152, "最大满载质量(kg)", str(1350 + length // 8 + model.ps)),
    ]


def _engine(model: Model, dice: random.Random) -> Group:
    cylinders = _cylinders(model)
    fuel = {"diesel": ("柴油", "0号"), "cng": ("CNG", "-")}.get(model.engine, ("汽油", "95号"))
    return "发动机", [
        (58, "发动机型号", f"{model.name_cn[:1].encode().hex()[:3].upper()}{dice.randint(10, 99)}B"),
        (3, "排量(mL)", str(round(model.litres * 1000) - dice.randint(1, 5))),
        (4, "排量(L)", f"{model.litres:.1f}"),
        (13, "进气形式", "涡轮增压" if _aspiration(model) == "T" else "自然吸气"),
        (123, "发动机布局", "横置" if model.drive == "FWD" else "纵置"),
        (5, "气缸排列形式", "L" if cylinders <= 4 else "V"),  # noqa: PLR2004 - four in a row, more in a V
        (6, "气缸数(个)", str(cylinders)),
        (10, "每缸气门数(个)", "4"),
        (9, "压缩比", f"{dice.randint(90, 130) / 10}"),
        (11, "配气机构", "DOHC"),
        (14, "最大马力(Ps)", str(model.ps)),
        (15, "最大功率(kW)", str(kilowatts(model.ps))),
        (16, "最大功率转速(rpm)", f"{dice.randint(45, 65)}00" if dice.random() < 0.8 else "-"),  # noqa: PLR2004 - a share
        (17, "最大扭矩(N·m)", str(round(model.ps * 1.5))),
        (18, "最大扭矩转速(rpm)", f"1500-{dice.randint(35, 48)}00"),
        (121, "最大净功率(kW)", "-"),
        (20, "燃料形式", _ENERGY[model.engine]),
        (21, "燃油标号", fuel[1]),
        (22, "供油方式", "直喷" if _aspiration(model) == "T" else "多点电喷"),
        (24, "缸盖材料", "铝合金"),
        (25, "环保标准", "国VI"),
    ]


def _motor(model: Model, dice: random.Random) -> Group:
    plugged = model.engine in PLUGGED
    capacity = dice.randint(10, 110) if plugged else 2
    power = kilowatts(model.ps)
    return "电动机", [
        (76, "电机类型", "永磁/同步"),
        (59, "电动机总功率(kW)", str(power)),
        (140, "电动机总功率(Ps)", str(model.ps)),
        (60, "电动机总扭矩(N·m)", str(round(model.ps * 1.4))),
        (65, "前电动机最大功率(kW)", str(power // 2) if model.drive != "RWD" else "-"),
        (67, "前电动机最大扭矩(N·m)", str(model.ps // 2) if model.drive != "RWD" else "-"),
        (68, "后电动机最大功率(kW)", str(power // 2) if model.drive != "FWD" else "-"),
        (69, "后电动机最大扭矩(N·m)", str(model.ps // 2) if model.drive != "FWD" else "-"),
        (77, "系统综合功率(kW)", "-"),
        (78, "系统综合扭矩(N·m)", "-"),
        (82, "驱动电机数", {"AWD2": "双电机", "AWD3": "三电机", "AWD4": "四电机"}.get(model.drive, "单电机")),
        (83, "电机布局", {"FWD": "前置", "RWD": "后置"}.get(model.drive, "前置+后置")),
        (79, "电池类型", "磷酸铁锂电池" if capacity % 2 else "三元锂电池"),
        (142, "电芯品牌", "宁德时代" if capacity % 3 else "-"),
        (144, "电池冷却方式", "液冷"),
        (64, "电池能量(kWh)", f"{capacity}.{dice.randint(0, 9)}"),
        (143, "电池能量密度(Wh/kg)", str(dice.randint(120, 180)) if plugged else "-"),
        (80, "百公里耗电量(kWh/100km)", f"{dice.randint(100, 190) / 10}" if plugged else "-"),
        (145, "快充功能", "支持" if plugged else "-"),
        (84, "快充时间(小时)", "0.5" if plugged else "-"),
        (85, "慢充时间(小时)", str(max(1, capacity // 7)) if plugged else "-"),
        (114, "快充电量百分比(%)", "30-80" if plugged else "-"),
        (73, "电池组质保", "八年或16万公里"),
    ]


def _gearbox(model: Model) -> Group:
    gears, kind, short = _gearbox_text(model)
    return "变速箱", [(41, "挡位个数", gears), (40, "变速箱类型", kind), (100, "简称", short)]


def _chassis(model: Model) -> Group:
    all_wheel = model.drive.startswith("AWD")
    return "底盘转向", [
        (42, "驱动方式", _DRIVE[model.drive]),
        (62, "四驱形式", "适时四驱" if all_wheel else "-"),
        (63, "中央差速器结构", "多片离合器" if all_wheel else "-"),
        (43, "前悬架类型", "麦弗逊式独立悬架"),
        (44, "后悬架类型", "多连杆式独立悬架" if model.list_price > 100_000 else "扭力梁式非独立悬架"),  # noqa: PLR2004 - about where it changes
        (46, "助力类型", "电动助力"),
        (55, "车体结构", "非承载式" if model.body in {"pickup", "light_truck"} else "承载式"),
    ]


def _brakes(dice: random.Random) -> Group:
    tyre = f"{dice.randint(18, 26)}5/{dice.randint(8, 13) * 5} R{dice.randint(15, 21)}"
    return "车轮制动", [
        (47, "前制动器类型", "通风盘式"),
        (48, "后制动器类型", "盘式"),
        (56, "驻车制动类型", "电子驻车"),
        (49, "前轮胎规格", tyre),
        (50, "后轮胎规格", tyre),
        (53, "备胎规格", dice.choice(("无", "非全尺寸", "全尺寸"))),
    ]
