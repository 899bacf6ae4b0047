"""Enumerations: what upstreams write in English, Russian and Chinese, in any case → one canonical English code.

An unknown value is kept as it came and counted, so that an operator sees drift.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from normalizer.core.offers import values

_ENGINE: Final = {
    "gasoline": "Gasoline|Petrol|Бензиновый|Бензин|汽油",
    "diesel": "Diesel|Дизельный|Дизель|柴油",
    "electric": "Electric|Electric (BEV)|BEV|Электрический|Электрический (BEV)|Электро|纯电动|纯电|电动",
    "hybrid": "Hybrid|HEV|Hybrid (HEV)|Hybrid (Gasoline)|Гибридный|Гибридный (HEV)|Гибрид|Бензиновый с электроприводом"
    "|油电混合|混合动力|汽油电驱",
    "diesel_hybrid": "Hybrid (Diesel)|Diesel Hybrid|Дизельный гибрид|柴电混合",
    "plug_in_hybrid": "Plug-in Hybrid|PHEV|Plug-in Hybrid (PHEV)|Подключаемый гибрид"
    "|Подключаемый гибрид (PHEV)|插电式混合动力|插电混动|插电式混动",
    "range_extender": "Range Extender|Range Extender (REEV)|REEV|EREV|Extended Range|Расширитель диапазона"
    "|Расширитель диапазона (REEV)|增程式|增程",
    "hydrogen": "Hydrogen Fuel Cell|Hydrogen|Водородный|Водородные топливные элементы|氢燃料|氢燃料电池",
    "gasoline_mild_hybrid": "Gasoline + 48V Mild Hybrid|Gasoline + 24V Mild Hybrid|Gasoline + 90V Mild Hybrid"
    "|Mild Hybrid"
    "|Бензиновый + 48V mild hybrid|Бензиновый + 24V mild hybrid|Бензиновый + 90V mild hybrid"
    "|汽油+48V轻混系统|汽油+24V轻混系统|汽油+90V轻混系统",
    "diesel_mild_hybrid": "Diesel + 48V Mild Hybrid|Diesel + 24V Mild Hybrid|Дизельный + 48V mild hybrid"
    "|柴油+48V轻混系统|柴油+24V轻混系统",
    "gasoline_cng": "Gasoline + CNG|Gasoline + Natural Gas|Бензиновый + CNG"
    "|Бензиновый + природный газ|汽油+CNG|汽油+天然气",
    "cng": "CNG|Natural Gas|Природный газ|天然气",
    "gasoline_lpg": "Gasoline + LPG|Бензиновый + LPG|Бензиновый + пропан|汽油+LPG",
    "bi_fuel": "Bi-Fuel|Двухтопливный|Бензин + газ|双燃料",
    "lpg_hybrid": "LPG + Electric|LPG + электро",
    "lpg": "LPG|Gas|Газ|液化石油气",
    "methanol": "Methanol|Метанол|甲醇",
    "methanol_hybrid": "Methanol Hybrid|Метаноловый гибрид|甲醇混动",
    "other": "Other|Другой|Другое|其他|其它",
}
_TRANSMISSION: Final = {
    "automatic": "Automatic|Auto|AT|Автоматическая|Автомат|АКПП|自动|自动挡|自动变速箱|手自一体|手自一体变速箱",
    "manual": "Manual|MT|Механическая|Механика|МКПП|手动|手动挡|手动变速箱",
    "cvt": "CVT|E-CVT|Variator|Вариатор|Бесступенчатая|无级变速|无级变速箱|电子无级变速箱|CVT无级变速|E-CVT无级变速",
    "dual_clutch": "DCT|Wet DCT|Dry DCT|Dual Clutch|Dual-clutch|Робот|Роботизированная"
    "|Роботизированная с двумя сцеплениями|双离合|湿式双离合|干式双离合|双离合变速箱|湿式双离合变速箱|干式双离合变速箱",
    "automated_manual": "AMT|Semi-Automatic|Semi-Auto|Полуавтоматическая|机械式自动变速箱|机械自动",
    "sequential": "Sequential|Секвентальная|序列|序列变速箱",
    "hybrid_transmission": "DHT|Гибридная трансмиссия|混合动力专用变速箱|混动专用变速箱",
    "single_speed": "Single-speed|Single Speed|Fixed gear|Одноступенчатая|Односкоростная"
    "|电动车单速变速箱|固定齿比变速箱",
    "other": "Other|Другая|Другое|其他|其它",
}
_BODY: Final = {
    "suv": "SUV|Off-road|Crossover|Crossover/SUV|Кроссовер|Внедорожник|Кроссовер/внедорожник|越野车|SUV/越野车",
    "sedan": "Sedan|Saloon|Седан|三厢车|三厢跨界车|轿车",
    "hatchback": "Hatchback|Хэтчбек|Хетчбек|两厢车|两厢跨界车",
    "liftback": "Liftback|Лифтбек|掀背车",
    "sedan_hatchback": "Sedan/Hatchback|Седан/хэтчбек|Седан/Хетчбек",
    "wagon": "Wagon|Estate|Station Wagon|Универсал|旅行车|旅行跨界车|旅行版",
    "minivan": "Minivan|MPV|Минивэн|Минивен",
    "pickup": "Pickup|Pickup Truck|Пикап|皮卡",
    "coupe": "Coupe|Coupe/Roadster|Купе|Купе/родстер|硬顶跑车|跑车",
    "sports_car": "Sports Car|Sport|Спортивный автомобиль|Спорткар",
    "convertible": "Convertible|Cabriolet|Roadster|Кабриолет|Родстер|软顶敞篷车|硬顶敞篷车|敞篷车",
    "microvan": "Microvan|Minibus|Microbus|Микроавтобус|微面|微卡",
    "light_truck": "Light Truck|Mini Truck|Truck|Легкий грузовик|Лёгкий грузовик|Грузовик|货车|轻卡",
    "van": "Van|Light Commercial|Фургон|Лёгкий коммерческий|Легкий коммерческий|客车|轻客|面包车|厢式车",
    "rv": "RV",
    "motorhome": "Motorhome|Camper|Автодом|Кемпер|房车|宿营车",
    "mini": "Mini|Микролитражка|Мини|微型车",
    "other": "Other|Другой|Другое|其他|其它",
}
_DRIVE: Final = {
    "fwd": "FWD|FWD (front-engine)|Front|Front-wheel|Front-wheel drive|Передний|Передний привод"
    "|前置前驱|双电机前驱|前驱|前轮驱动",
    "rwd": "RWD|RWD (mid-engine)|RWD (rear-engine)|RWD (front-engine)|RWD (dual-motor)|Rear|Rear-wheel|Rear-wheel drive"
    "|Задний|Задний привод|前置后驱|后置后驱|中置后驱|双电机后驱|后驱|后轮驱动",
    "awd": "AWD|4WD|AWD (front-engine)|AWD (mid-engine)|AWD (rear-engine)|AWD (dual-motor)|AWD (tri-motor)"
    "|AWD (quad-motor)|All|All-wheel|All-wheel drive|Полный|Полный привод|前置四驱|中置四驱|后置四驱"
    "|双电机四驱|三电机四驱|四电机四驱|电动四驱|四驱|全时四驱|适时四驱|分时四驱|四轮驱动",
}
_COLOR: Final = {
    "white": "White|Pearl White|Белый|Белая|白色|珍珠白",
    "black": "Black|Черный|Чёрный|黑色",
    "silver": "Silver|Silver Gray|Серебристый|Серебристо-серый|银色|银灰色",
    "gray": "Gray|Grey|Серый|灰色",
    "dark_gray": "Dark Gray|Dark Grey|Темно-серый|Тёмно-серый|深灰色",
    "sky_blue": "Sky Blue|Небесно-голубой|天蓝色",
    "turquoise": "Turquoise|Бирюзовый|青色",
    "burgundy": "Burgundy|Бордовый|Вишнёвый|Вишневый|酒红色",
    "pearl": "Pearl|Перламутровый",
    "blue": "Blue|Синий|Голубой|蓝色",
    "red": "Red|Красный|红色",
    "brown": "Brown|Коричневый|棕色|咖啡色|褐色",
    "orange": "Orange|Оранжевый|橙色",
    "yellow": "Yellow|Желтый|Жёлтый|黄色",
    "green": "Green|Зеленый|Зелёный|绿色",
    "purple": "Purple|Violet|Фиолетовый|紫色",
    "champagne": "Champagne|Шампань|Шампанское|香槟色",
    "gold": "Gold|Golden|Золотой|Золотистый|金色",
    "beige": "Beige|Бежевый|米色",
    "pink": "Pink|Розовый|粉色",
    "multicolour": "Multicolour|Multicolor|Многоцветный|多彩色",
    "other": "Other|Другой|Другое|其他|其它",
}
_SELLER: Final = {
    "dealer": "Dealer|Дилер|Автосалон|商家|车商",
    "private": "Private|Person|Individual|Частник|Частное лицо|个人",
}


def _reversed(table: Mapping[str, str]) -> dict[str, str]:
    words = {word.casefold(): code for code, line in table.items() for word in line.split("|")}
    return words | {code: code for code in table}


CODES: Final[dict[str, dict[str, str]]] = {
    "engine_type": _reversed(_ENGINE),
    "transmission_type": _reversed(_TRANSMISSION),
    "body_type": _reversed(_BODY),
    "drive_type": _reversed(_DRIVE),
    "color": _reversed(_COLOR),
    "seller_type": _reversed(_SELLER),
}
"""Field → case-folded word → code."""


def code(field: str, word: str) -> tuple[str | None, bool]:
    """Return the canonical code of a word, or the word itself, and whether it was known; None: it says nothing."""
    return _code(field, word) if len(word) <= LONGEST else (values.text(word), False)


@lru_cache(maxsize=4096)
def _code(field: str, word: str) -> tuple[str | None, bool]:
    said = values.text(word)
    if said is None:
        return None, True
    words = " ".join(said.split()).casefold()
    found = CODES[field].get(words) or CODES[field].get(_WITHOUT_REMARK.sub("", words))
    return (found, True) if found is not None else (said, False)


_WITHOUT_REMARK: Final = re.compile(r"\s*[(（][^()]*[)）]$")
"""What is said in brackets, such as how many motors an all-wheel drive has, counts only where a word contains it."""


LONGEST: Final = 100
"""Characters; no word of a vocabulary is near it."""
