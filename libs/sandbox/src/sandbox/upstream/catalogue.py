"""The cars that the stand-in sells: marks, models and the words for their properties.

Engine data are round figures in the right order of size, good enough to look at; nothing is taken from a feed.
"""

from typing import NamedTuple


class Model(NamedTuple):
    """A model as sold: names in English and Chinese, property codes, litres, horse powers, list price in yuan."""

    mark: str
    mark_cn: str
    name: str
    name_cn: str
    body: str
    engine: str
    drive: str
    litres: float
    ps: int
    list_price: int
    trims: str


class Word(NamedTuple):
    """One value of an enumeration as the two kinds of hosts write it."""

    english: str
    russian: str


MODELS = tuple(
    Model(*row)
    for row in (
        ("BMW", "宝马", "3 Series", "宝马3系", "sedan", "gasoline", "RWD", 2.0, 184, 319_900, "325Li M运动套装"),
        ("BMW", "宝马", "X3", "宝马X3", "suv", "gasoline", "AWD", 2.0, 245, 449_900, "xDrive30i 尊享型"),
        ("BMW", "宝马", "X5", "宝马X5", "suv", "gasoline", "AWD", 3.0, 333, 699_900, "xDrive40Li 尊享型"),
        ("BMW", "宝马", "i3", "宝马i3", "sedan", "electric", "RWD", 0, 286, 353_900, "eDrive 35L"),
        ("Audi", "奥迪", "A4", "奥迪A4", "sedan", "gasoline", "FWD", 2.0, 150, 300_800, "35 TFSI 时尚致雅型"),
        ("Audi", "奥迪", "A6", "奥迪A6", "sedan", "mild_hybrid_48", "AWD", 3.0, 340, 581_500, "55 TFSI quattro"),
        ("Audi", "奥迪", "Q7", "奥迪Q7", "suv", "mild_hybrid_48", "AWD", 3.0, 340, 698_800, "55 TFSI quattro S line"),
        ("Audi", "奥迪", "R8", "奥迪R8", "coupe", "gasoline", "AWD", 5.2, 570, 2_300_000, "Coupe Performance"),
        ("Mercedes-Benz", "奔驰", "C-Class", "奔驰C级", "sedan", "mild_hybrid_48", "RWD", 1.5, 204, 334_800, "C 260 L"),
        (
            "Mercedes-Benz",
            "奔驰",
            "GLC",
            "奔驰GLC",
            "suv",
            "mild_hybrid_48",
            "AWD",
            2.0,
            258,
            478_900,
            "GLC 300 L 4MATIC",
        ),
        (
            "Mercedes-Benz",
            "奔驰",
            "V-Class",
            "奔驰V级",
            "minivan",
            "gasoline",
            "RWD",
            2.0,
            211,
            508_000,
            "V 260 L 尊贵版",
        ),
        ("Volkswagen", "大众", "Golf", "高尔夫", "hatchback", "gasoline", "FWD", 1.4, 150, 152_800, "280TSI DSG Pro"),
        (
            "Volkswagen",
            "大众",
            "Tiguan L",
            "途观L",
            "suv",
            "gasoline",
            "FWD",
            2.0,
            186,
            228_600,
            "330TSI 自动两驱智享版",
        ),
        ("Volkswagen", "大众", "Passat", "帕萨特", "sedan", "phev", "FWD", 1.4, 150, 221_900, "430PHEV 混动精英版"),
        ("Volkswagen", "大众", "ID.4 X", "大众ID.4 X", "suv", "electric", "RWD", 0, 204, 195_888, "长续航智享版"),
        ("Toyota", "丰田", "Camry", "凯美瑞", "sedan", "hybrid", "FWD", 2.5, 178, 239_800, "双擎 2.5HG 豪华版"),
        ("Toyota", "丰田", "RAV4", "RAV4荣放", "suv", "gasoline", "AWD", 2.0, 171, 208_800, "CVT四驱风尚PLUS版"),
        ("Toyota", "丰田", "Alphard", "埃尔法", "minivan", "hybrid", "AWD", 2.5, 186, 899_000, "双擎 2.5L 尊贵版"),
        ("Toyota", "丰田", "Corolla", "卡罗拉", "sedan", "gasoline", "FWD", 1.2, 116, 128_800, "1.2T S-CVT GL先锋版"),
        ("Honda", "本田", "Accord", "雅阁", "sedan", "gasoline", "FWD", 1.5, 192, 179_800, "260TURBO 豪华版"),
        ("Honda", "本田", "CR-V", "本田CR-V", "suv", "hybrid", "AWD", 2.0, 146, 240_900, "锐・混动 2.0L 四驱净致版"),
        ("Honda", "本田", "Fit", "飞度", "hatchback", "gasoline", "FWD", 1.5, 131, 86_800, "1.5L CVT潮跑版"),
        ("Nissan", "日产", "Sylphy", "轩逸", "sedan", "gasoline", "FWD", 1.6, 135, 119_000, "1.6L CVT悦享版"),
        ("Nissan", "日产", "Navara", "纳瓦拉", "pickup", "gasoline", "AWD", 2.5, 193, 170_800, "2.5L 自动四驱豪华型"),
        ("Mazda", "马自达", "CX-5", "马自达CX-5", "suv", "gasoline", "FWD", 2.0, 155, 159_800, "2.0L 自动两驱智慧型"),
        ("Hyundai", "现代", "Elantra", "伊兰特", "sedan", "gasoline", "FWD", 1.5, 115, 99_800, "1.5L CVT GLS领先版"),
        ("Kia", "起亚", "Sportage", "狮跑", "suv", "gasoline", "FWD", 1.5, 200, 154_800, "1.5T 四驱奢享版"),
        ("Kia", "起亚", "EV6", "起亚EV6", "suv", "electric", "AWD2", 0, 325, 282_800, "四驱GT-Line"),
        ("Buick", "别克", "GL8", "别克GL8", "minivan", "mild_hybrid_48", "FWD", 2.0, 237, 299_900, "ES陆尊 舒适型"),
        ("Cadillac", "凯迪拉克", "CT5", "凯迪拉克CT5", "sedan", "gasoline", "RWD", 2.0, 237, 279_700, "28T 豪华型"),
        ("Chevrolet", "雪佛兰", "Malibu XL", "迈锐宝XL", "sedan", "gasoline", "FWD", 1.5, 184, 169_900, "535T 豪华版"),
        ("Ford", "福特", "Explorer", "探险者", "suv", "gasoline", "AWD", 2.3, 276, 309_800, "EcoBoost 285 四驱风尚版"),
        ("Ford", "福特", "Ranger", "福特Ranger", "pickup", "diesel", "AWD", 2.3, 190, 155_800, "2.3T 柴油自动四驱"),
        ("Ford", "福特", "Transit", "全顺", "van", "diesel", "RWD", 2.2, 143, 186_900, "2.2T 多功能中轴中顶"),
        ("Jeep", "吉普", "Wrangler", "牧马人", "suv", "gasoline", "AWD", 2.0, 266, 489_900, "2.0T Sahara 四门版"),
        (
            "Land Rover",
            "路虎",
            "Range Rover",
            "揽胜",
            "suv",
            "mild_hybrid_48",
            "AWD",
            3.0,
            400,
            1_414_000,
            "3.0 L6 盛世版",
        ),
        (
            "Land Rover",
            "路虎",
            "Discovery Sport",
            "发现运动版",
            "suv",
            "gasoline",
            "AWD",
            2.0,
            249,
            355_800,
            "249PS R-Dynamic S",
        ),
        (
            "Volvo",
            "沃尔沃",
            "XC60",
            "沃尔沃XC60",
            "suv",
            "mild_hybrid_48",
            "AWD",
            2.0,
            250,
            396_900,
            "B5 四驱智远豪华版",
        ),
        ("Volvo", "沃尔沃", "S90", "沃尔沃S90", "sedan", "phev", "AWD", 2.0, 310, 509_900, "RECHARGE T8 四驱"),
        ("Porsche", "保时捷", "Cayenne", "Cayenne", "suv", "gasoline", "AWD", 3.0, 340, 918_000, "Cayenne 3.0T"),
        ("Porsche", "保时捷", "Taycan", "Taycan", "sedan", "electric", "RWD", 0, 408, 898_000, "后驱版"),
        ("Porsche", "保时捷", "911", "保时捷911", "coupe", "gasoline", "RWD", 3.0, 385, 1_278_000, "Carrera 3.0T"),
        ("Lexus", "雷克萨斯", "ES", "雷克萨斯ES", "sedan", "hybrid", "FWD", 2.5, 178, 354_900, "300h 卓越版"),
        ("Lexus", "雷克萨斯", "RX", "雷克萨斯RX", "suv", "hybrid", "AWD", 2.5, 192, 479_900, "350h 四驱尊享版"),
        ("Tesla", "特斯拉", "Model 3", "Model 3", "sedan", "electric", "RWD", 0, 264, 235_500, "后轮驱动版"),
        ("Tesla", "特斯拉", "Model Y", "Model Y", "suv", "electric", "AWD2", 0, 450, 299_900, "长续航全轮驱动版"),
        ("Tesla", "特斯拉", "Model S", "Model S", "sedan", "electric", "AWD3", 0, 1020, 814_900, "Plaid版 三电机"),
        ("BYD", "比亚迪", "Han", "汉", "sedan", "electric", "RWD", 0, 228, 209_800, "EV 605KM前驱尊贵型"),
        ("BYD", "比亚迪", "Song PLUS", "宋PLUS", "suv", "phev", "FWD", 1.5, 110, 154_800, "DM-i 110KM 旗舰型"),
        ("BYD", "比亚迪", "Dolphin", "海豚", "mini", "electric", "FWD", 0, 95, 99_800, "自由版"),
        ("BYD", "比亚迪", "Yangwang U8", "仰望U8", "suv", "reev", "AWD4", 2.0, 1197, 1_098_000, "豪华版"),
        ("Geely", "吉利", "Coolray", "缤越", "suv", "gasoline", "FWD", 1.5, 181, 85_800, "1.5T DCT旗舰版"),
        ("Geely", "吉利", "Monjaro", "星越L", "suv", "hybrid", "FWD", 1.5, 150, 171_700, "雷神Hi·F 超享版"),
        ("Chery", "奇瑞", "Tiggo 8", "瑞虎8", "suv", "gasoline", "FWD", 1.6, 197, 119_900, "1.6TGDI DCT豪华版"),
        ("Haval", "哈弗", "H6", "哈弗H6", "suv", "gasoline", "FWD", 1.5, 169, 115_900, "1.5T 自动两驱Plus"),
        ("Haval", "哈弗", "Jolion", "初恋", "suv", "gasoline", "FWD", 1.5, 150, 88_900, "1.5T DCT醉爱"),
        (
            "Great Wall",
            "长城",
            "Poer",
            "长城炮",
            "pickup",
            "mild_hybrid_24",
            "AWD",
            2.0,
            163,
            126_800,
            "2.0T 自动四驱领航型",
        ),
        ("Changan", "长安", "CS75", "长安CS75", "suv", "gasoline", "FWD", 1.5, 188, 117_900, "1.5T 自动豪华型"),
        ("Li Auto", "理想", "L9", "理想L9", "suv", "reev", "AWD2", 1.5, 449, 459_800, "Max版"),
        ("Li Auto", "理想", "L7", "理想L7", "suv", "reev", "AWD2", 1.5, 449, 339_800, "Pro版"),
        ("NIO", "蔚来", "ES6", "蔚来ES6", "suv", "electric", "AWD2", 0, 490, 338_000, "75kWh"),
        ("XPeng", "小鹏", "P7", "小鹏P7", "sedan", "electric", "RWD", 0, 276, 223_900, "586G"),
        ("Zeekr", "极氪", "001", "001", "hatchback", "electric", "AWD2", 0, 544, 300_000, "WE版 100kWh 四驱"),
        ("Denza", "腾势", "D9", "腾势D9", "minivan", "phev", "FWD", 1.5, 139, 349_800, "DM-i 965 尊荣型"),
        ("Aito", "问界", "M7", "问界M7", "suv", "reev", "RWD", 1.5, 272, 249_800, "后驱五座Plus版"),
        ("Wuling", "五菱", "Hongguang MINI EV", "宏光MINIEV", "mini", "electric", "RWD", 0, 41, 44_800, "马卡龙夹心款"),
        ("Wuling", "五菱", "Hongguang S", "五菱宏光S", "microvan", "gasoline", "RWD", 1.5, 99, 55_800, "1.5L S基本型"),
        ("SAIC Maxus", "上汽大通", "V80", "大通V80", "van", "diesel", "FWD", 2.5, 136, 149_800, "2.5T 傲运通 长轴中顶"),
        ("Hyundai", "现代", "Nexo", "NEXO", "suv", "hydrogen", "FWD", 0, 163, 460_000, "中国版"),
        (
            "Dongfeng",
            "东风",
            "Xiaokang K07",
            "东风小康K07",
            "microvan",
            "gasoline_cng",
            "RWD",
            1.2,
            88,
            45_900,
            "1.2L 双燃料",
        ),
    )
)

CHINESE_MARK_MODELS = tuple(
    Model(*row)
    for row in (
        ("福田祥菱", "福田祥菱", "祥菱V1", "祥菱V1", "light_truck", "gasoline", "RWD", 1.6, 122, 52_800, "单排 舒适型"),
        ("远航汽车", "远航汽车", "远航Y6", "远航Y6", "sedan", "electric", "AWD2", 0, 680, 389_800, "豪华版"),
        ("新吉奥", "新吉奥", "征途者", "征途者", "van", "diesel", "RWD", 2.8, 150, 239_000, "房车"),
    )
)

COMMERCIAL_MODELS = tuple(
    Model(*row)
    for row in (
        ("JAC", "江淮", "Shuailing", "帅铃", "light_truck", "diesel", "RWD", 2.7, 152, 118_800, "4.2米厢式"),
        ("Foton", "福田", "Aumark", "欧马可", "light_truck", "diesel", "RWD", 3.8, 156, 139_800, "4X2 单排栏板"),
        ("JMC", "江铃", "Kairui", "凯锐", "light_truck", "cng", "RWD", 2.8, 116, 96_800, "载货车"),
    )
)

ENGINES = {
    "gasoline": Word("Gasoline", "Бензиновый"),
    "diesel": Word("Diesel", "Дизельный"),
    "electric": Word("Electric", "Электрический (BEV)"),
    "hybrid": Word("Hybrid", "Гибридный (HEV)"),
    "phev": Word("Plug-in Hybrid", "Подключаемый гибрид (PHEV)"),
    "reev": Word("Range Extender", "Расширитель диапазона (REEV)"),
    "hydrogen": Word("Hydrogen Fuel Cell", "Hydrogen Fuel Cell"),
    "mild_hybrid_48": Word("Gasoline + 48V Mild Hybrid", "Бензиновый + 48V mild hybrid"),
    "mild_hybrid_24": Word("Gasoline + 24V Mild Hybrid", "Бензиновый + 24V mild hybrid"),
    "gasoline_cng": Word("Gasoline + CNG", "Бензиновый + CNG"),
    "cng": Word("CNG", "CNG"),
}
UNMAPPED_ENGINE = "甲醇混动"

BODIES = {
    "suv": Word("Crossover/SUV", "Кроссовер/внедорожник"),
    "sedan": Word("Sedan", "Седан"),
    "hatchback": Word("Hatchback", "Хэтчбек"),
    "minivan": Word("Minivan", "Минивэн"),
    "pickup": Word("Pickup", "Пикап"),
    "coupe": Word("Coupe/Roadster", "Купе/родстер"),
    "microvan": Word("Microvan", "Микроавтобус"),
    "light_truck": Word("Light Truck", "Легкий грузовик"),
    "van": Word("Van", "Фургон"),
    "mini": Word("Mini", "Mini"),
}

DRIVES = {
    "FWD": Word("FWD", "передний привод"),
    "RWD": Word("RWD", "задний привод"),
    "AWD": Word("AWD", "полный привод"),
    "AWD2": Word("AWD (dual-motor)", "полный привод (два мотора)"),
    "AWD3": Word("AWD (tri-motor)", "полный привод (три мотора)"),
    "AWD4": Word("AWD (quad-motor)", "полный привод (четыре мотора)"),
}

TRANSMISSIONS = {"manual": Word("Manual", "Механическая"), "automatic": Word("Automatic", "Автоматическая")}

COLORS = (
    Word("White", "Белый"),
    Word("Black", "Черный"),
    Word("Silver", "Серебристо-серый"),
    Word("Dark Gray", "Темно-серый"),
    Word("Blue", "Синий"),
    Word("Red", "Красный"),
    Word("Brown", "Коричневый"),
    Word("Orange", "Оранжевый"),
    Word("Yellow", "Желтый"),
    Word("Green", "Зеленый"),
    Word("Purple", "Фиолетовый"),
    Word("Champagne", "Шампань"),
    Word("Other", "Другой"),
)
UNMAPPED_COLOR = "星云渐变"

ADDRESSES = tuple(
    (city, district)
    for city, districts in (
        ("Shanghai", ("Minhang", "Pudong", "Jiading", "Baoshan")),
        ("Beijing", ("Chaoyang", "Fengtai", "Tongzhou")),
        ("Guangzhou", ("Baiyun", "Tianhe", "Panyu")),
        ("Shenzhen", ("Longgang", "Bao'an")),
        ("Chengdu", ("Wuhou", "Jinniu")),
        ("西安", ("未央", "雁塔")),
        ("杭州", ("余杭", "萧山")),
        ("济南", ("历城", "槐荫")),
        ("武汉", ("江岸", "洪山")),
        ("Чунцин", ("Юйбэй",)),
        ("Нанкин", ("Цзяннин",)),
    )
    for district in districts
)
