"""What holds for every table: times with a zone, money that is exact, identities of the source as text."""

from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Numeric, Text

from common.db.shop_tables import metadata

pytestmark = pytest.mark.unit

MONEY = {"price", "old_price", "discount"}
IDENTITIES = {
    *("platform", "inner_id", "source_id", "product_id", "category_id", "mark_id", "color_id", "parameter_id"),
    *("image_id", "extra_id", "review_id", "video_id", "exclusion_id", "importance_id", "salon_id", "specid", "vin"),
}


def columns() -> list[Column[Any]]:
    """Return the columns of all tables."""
    return [column for table in metadata.tables.values() for column in table.columns]


def test_every_time_has_a_zone() -> None:
    times = [column for column in columns() if isinstance(column.type, DateTime)]
    assert times
    assert [str(column) for column in times if not getattr(column.type, "timezone", False)] == []


def test_money_is_exact_and_its_table_or_that_of_the_product_names_the_currency() -> None:
    money = [column for column in columns() if column.name in MONEY]
    assert {column.name for column in money} == MONEY
    assert [str(column) for column in money if type(column.type) is not Numeric] == []
    assert "currency" in metadata.tables["processed_data"].columns
    assert "currency" in metadata.tables["products"].columns


def test_identities_of_the_source_are_text() -> None:
    named = [column for column in columns() if column.name in IDENTITIES]
    assert {column.name for column in named} == IDENTITIES
    assert [str(column) for column in named if type(column.type) is not Text] == []
