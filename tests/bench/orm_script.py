"""The baseline: a page-by-page script with `requests` and one ORM session per row, as the brief's first parser did it.

For each record it looks the row up, inserts or updates it, commits; then it walks the raw rows, makes the typed row
from each by the same mapping as the normalizer's core, and commits again. Same pages, same tables, same indexes.
"""

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import Any

import requests
from sqlalchemy import Column, MetaData, Table, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from common.db.engine import url
from common.db.tables import processed_data, raw_data
from common.settings import Settings, load
from normalizer.core.offers.normalise import normalise
from normalizer.core.offers.record import FIELDS, PlatformProfile


class _Base(DeclarativeBase):
    metadata = MetaData()


def _copied(table: Table) -> list[Column[Any]]:
    return [column._copy() for column in table.columns]  # noqa: SLF001 - SQLAlchemy's own way to copy a column


class RawOffer(_Base):
    """A row of `raw_data`."""

    __table__ = Table("raw_data", _Base.metadata, *_copied(raw_data))


class ProcessedOffer(_Base):
    """A row of `processed_data`."""

    __table__ = Table("processed_data", _Base.metadata, *_copied(processed_data))


async def store_raw(engine: AsyncEngine, record: dict[str, Any]) -> None:
    """Insert or update one raw row in a session of its own."""
    async with AsyncSession(engine) as session:
        found = await session.scalar(select(RawOffer).where(RawOffer.__table__.c.inner_id == record["inner_id"]))
        row: Any = found or RawOffer(platform="che168", inner_id=record["inner_id"], max_seq=0)
        row.data = record["data"]
        row.change_type = record["change_type"]
        row.source = "initial_load"
        row.created_at = datetime.fromisoformat(record["created_at"])
        row.is_processed = False
        session.add(row)
        await session.commit()


async def store_processed(engine: AsyncEngine, inner_id: str, profile: PlatformProfile) -> None:
    """Normalise one raw row in a session of its own."""
    async with AsyncSession(engine) as session:
        raw: Any = await session.scalar(select(RawOffer).where(RawOffer.__table__.c.inner_id == inner_id))
        offer, _ = normalise(json.dumps(raw.data).encode(), profile)
        document = {name: value for name in FIELDS if (value := getattr(offer, name)) not in (None, [], {})}
        found = await session.scalar(select(ProcessedOffer).where(ProcessedOffer.__table__.c.inner_id == inner_id))
        row: Any = found or ProcessedOffer(platform="che168", inner_id=inner_id)
        for name, value in document.items():
            if name != "parameters":
                setattr(row, name, value)
        row.normalized_data = json.loads(json.dumps(document, default=str))
        row.active_status, row.is_complete, row.max_seq = 0, True, 0
        raw.is_processed = True
        session.add(row)
        await session.commit()


async def load_pages(base_url: str, api_key: str, pages: int) -> None:
    """Load `pages` pages and print `{"records": n, "seconds": s}`."""
    engine = create_async_engine(url(load(Settings).database))
    profile = PlatformProfile()
    client = requests.Session()
    started = time.monotonic()  # noqa: TID251 - a benchmark reads the real clock
    inner_ids = []
    for page in range(1, pages + 1):
        query = {"api_key": api_key, "page": str(page)}
        answer = client.get(f"{base_url}/offers", params=query, timeout=30)
        for record in answer.json()["result"]:
            await store_raw(engine, record)
            inner_ids.append(record["inner_id"])
    for inner_id in dict.fromkeys(inner_ids):
        await store_processed(engine, inner_id, profile)
    print(json.dumps({"records": len(inner_ids), "seconds": time.monotonic() - started}))  # noqa: TID251 - as above
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(load_pages(sys.argv[1], sys.argv[2], int(sys.argv[3])))
