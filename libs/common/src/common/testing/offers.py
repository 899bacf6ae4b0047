"""Offers of the catalogue for tests: built by what matters, stored as rows of `processed_data`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from common.db.engine import create_engine
from common.db.tables import ACTIVE, processed_data
from common.settings import DatabaseSettings


def a_processed_offer(**values: Any) -> dict[str, Any]:
    """Return a row of `processed_data`: an active, complete offer with everything that `values` does not say."""
    inner_id = str(values.get("inner_id", "50837332"))
    offer: dict[str, Any] = {
        "platform": "che168",
        "inner_id": inner_id,
        "mark": "BMW",
        "model": "1 Series",
        "title": "BMW 1 Series 2022 125i",
        "year": 2022,
        "color": "white",
        "price": Decimal(98000),
        "currency": "CNY",
        "km_age": 0,
        "engine_type": "gasoline",
        "transmission_type": "automatic",
        "body_type": "sedan",
        "drive_type": "fwd",
        "displacement_l": Decimal("2.0"),
        "power_hp": Decimal(192),
        "city": "Shanghai",
        "is_dealer": None,
        "url": f"https://www.che168.com/dealer/451591/{inner_id}.html",
        "images": ["https://2sc2.autoimg.cn/escimg/auto/g31/car.jpg.webp"],
        "options": ["Sunroof"],
        "normalized_data": {"seats": 5},
        "active_status": ACTIVE,
        "is_complete": True,
        "max_seq": 1,
    }
    unknown = values.keys() - processed_data.columns.keys()
    if unknown:
        raise TypeError(f"processed_data has no column {', '.join(sorted(unknown))}")
    return offer | values


async def store_offers(settings: DatabaseSettings, offers: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows in their order, so that their ids grow in it."""
    if not offers:
        return
    engine = create_engine(settings, application="test")
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(processed_data), [dict(offer) for offer in offers])
    finally:
        await engine.dispose()
