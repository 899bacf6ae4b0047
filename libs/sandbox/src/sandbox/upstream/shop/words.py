"""What the shop sells and says: made-up words in the right shape."""

from typing import Any

NOUNS = (
    "Букет",
    "Ваза",
    "Рюкзак",
    "Чехол",
    "Кружка",
    "Фонарь",
    "Плед",
    "Кашпо",
    "Футболка",
    "Самовар",
    "Свеча",
    "Пенал",
)
KINDS = ("северный", "дорожный", "малый", "праздничный", "садовый", "ручной работы", "с гербом", "зимний", "детский")
CATEGORIES = (
    "Подарки",
    "Дом и сад",
    "Одежда",
    "Для кухни",
    "Свет",
    "Праздник ",
    "Сумки, рюкзаки",
    "Услуги",
    "=)",
    "ТЕСТ",
)
MARKS = (
    {"Mark_ID": 1, "Mark_Name": "sale"},
    {"Mark_ID": 2, "Mark_Name": "new"},
    {"Mark_ID": 3, "Mark_Name": "hit"},
    {"Mark_ID": 5, "Mark_Name": "premium"},
    {"Mark_ID": 4, "Mark_Name": "discount"},
    {"Mark_ID": 6, "Mark_Name": "hot"},
)
COLORS = (
    ("Белый", "#FFFFFF"),
    ("Чёрный", "#000000"),
    ("Красный", "#FF0000"),
    ("Хаки", "#78866b"),
    ("Не выбран", ""),
)
PARAMETERS = ("Размер", "Цвет чехла", "Объём", "Комплект")
VALUES = ("S", "M", "L", "0,5 л", "13", "по запросу", "XXL")
CHARACTERISTICS = (
    "",
    "Хлопок 80 %, лён 20 %.\n- Стирать при 30°\n- Не отбеливать",
    "<p>Ручная работа, <b>каждый</b> предмет единственный.</p>",
    "<p>Скидка!</p><script>alert('shop')</script>",
    'Высота 20 см, "как на фото" & ещё лучше',
)
DELIVERIES = ("", "1–3 дня по городу", "<ul><li>почта</li><li>курьер</li></ul>")
KITS = ("", "- Кружка\n- Коробка", "3")
OFFERS = ("", "НАБОРОМ ОТ 4490 ₽", "4")
DESCRIPTIONS = (None, "", "Подойдёт в подарок тем, у кого уже всё есть.")
TAGS: tuple[list[str] | None, ...] = (None, ["дом", "подарок"], ["женская одежда\\noversize"], [], ["акция"])
SITE = "https://shop.example/files"


def beside(day: int) -> dict[str, Any]:
    """Return the parameters of the shop itself on a day, HTML and scripts in them."""
    return {
        "special_project_parameters": {
            "project_name_value": "Лавка",
            "project_logo_value": f"{SITE}/logo.png",
            "PAYMENT_SYSTEM_INSERT_TEXT_description": "&lt;p&gt;Спасибо за заказ!&lt;/p&gt;",
            "project_footer_special_text_value": "yes",
            "project_footer_special_text_extra_field_1": '<script>(function(w){w.visits=1;})(window);</script>\n  "©"',
            "cart_delivery_price_value": str(599 + day),
            "footer_link_description": "",
        },
        "special_project_parameters_actions": [
            {
                "id": 8 + number,
                "action_type": "action",
                "description": f"Подарок {number}",
                "extra_field_1": "",
                "extra_field_2": "",
                "image_url": f"{SITE}/action{number}.jpg",
                "sort_order": number,
                "url": "https://shop.example/sale",
            }
            for number in range(1 + day % 3)
        ],
        "special_project_parameters_badges": [
            {"id": 1, "description": "<i>Быстро</i>", "image_url": "", "sort_order": 0, "url": ""}
        ],
        "special_project_parameters_json": {
            "delivery_method": ["courier", "pickup"],
            "fast_search_strings": ["ваза", "плед"],
            "global_reviews": [],
            "is_side_menu": bool(day % 2),
        },
    }
