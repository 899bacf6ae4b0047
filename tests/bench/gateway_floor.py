"""What the gateway is held against: the same SQL passed through bare Starlette, and the usual ORM with models.

`python -m tests.bench.gateway_floor bare|orm PORT` serves one of them by uvicorn with uvloop and httptools, as
the gateway is served; the database comes from the environment.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import asyncpg
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, MetaData, Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common.db.engine import create_engine
from common.db.tables import processed_data
from common.settings import DatabaseSettings, Settings, load
from gateway.adapters.offer_sql import FIND, stretches
from gateway.core.query import read_query

ASKED: Final = ("mark", "model", "price_from", "price_to")


class _Base(DeclarativeBase):
    metadata = MetaData()


def _copied(table: Table) -> list[Column[Any]]:
    return [column._copy() for column in table.columns]  # noqa: SLF001 - SQLAlchemy's own way to copy a column


class OfferRow(_Base):
    """A row of `processed_data`."""

    __table__ = Table("processed_data", _Base.metadata, *_copied(processed_data))


class Offer(BaseModel):
    """An offer as the list shows it."""

    model_config = ConfigDict(from_attributes=True)

    platform: str
    inner_id: str
    mark: str | None
    model: str | None
    title: str | None
    complectation: str | None
    year: int | None
    first_registration: date | None
    price: Decimal | None
    currency: str | None
    km_age: int | None
    color: str | None
    engine_type: str | None
    transmission_type: str | None
    body_type: str | None
    drive_type: str | None
    displacement_l: Decimal | None
    power_hp: Decimal | None
    power_kw: Decimal | None
    province: str | None
    city: str | None
    seller_type: str | None
    is_dealer: bool | None
    url: str | None
    images: list[str]
    offer_created: date | None
    updated_at: datetime


class OfferPage(BaseModel):
    """A page."""

    items: list[Offer]


def bare(settings: DatabaseSettings) -> Starlette:
    """Return an application that does nothing but pass the rows of our own statements on."""
    example = [("mark", "m"), ("model", "m"), ("price_from", "1"), ("price_to", "2"), ("sort", "price")]
    (walk,) = stretches(read_query(example)[0], None)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value() or None,
            database=settings.name,
            max_size=settings.pool_size,
            min_size=settings.pool_size,
            server_settings={"jit": "off"},
        ) as pool:
            app.state.pool = pool
            yield

    async def offers(request: Request) -> Response:
        mark, model, least, most = (request.query_params[name] for name in ASKED)
        rows = await request.app.state.pool.fetch(walk.sql, mark, model, Decimal(least), Decimal(most), 21)
        return Response(f'{{"items":[{",".join(row["body"] for row in rows[:20])}]}}', media_type="application/json")

    async def offer(request: Request) -> Response:
        row = await request.app.state.pool.fetchrow(
            FIND, request.path_params["inner_id"], request.query_params["platform"]
        )
        return Response(row["body"], media_type="application/json")

    return Starlette(routes=[Route("/offers", offers), Route("/offers/{inner_id}", offer)], lifespan=lifespan)


def orm(settings: DatabaseSettings) -> FastAPI:
    """Return the same list as tutorials write it: ORM rows, a session as a dependency, and response models."""
    sessions = async_sessionmaker(create_engine(settings, application="bench"), expire_on_commit=False)
    app = FastAPI()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    opened = Depends(session)

    @app.get("/offers", response_model=OfferPage)
    async def offers(
        mark: str,
        model: str,
        price_from: Decimal,
        price_to: Decimal,
        sort: str = "price",
        limit: Annotated[int, Query(le=100)] = 20,
        session: AsyncSession = opened,
    ) -> dict[str, Any]:
        row = OfferRow.__table__.c
        wanted = (
            select(OfferRow)
            .where(row.active_status == 0, row.is_complete, func.lower(row.mark) == mark.lower())
            .where(func.lower(row.model) == model.lower(), row.price >= price_from, row.price <= price_to)
            .order_by(row[sort], row.id)
            .limit(limit)
        )
        return {"items": (await session.scalars(wanted)).all()}

    @app.get("/offers/{inner_id}", response_model=Offer)
    async def offer(inner_id: str, platform: str, session: AsyncSession = opened) -> OfferRow:
        row = OfferRow.__table__.c
        found = await session.scalar(select(OfferRow).where(row.inner_id == inner_id, row.platform == platform))
        if found is None:
            raise HTTPException(404)
        return found

    return app


APPLICATIONS: Final[dict[str, Callable[[DatabaseSettings], Starlette]]] = {"bare": bare, "orm": orm}


def main() -> None:
    """Serve one of them."""
    name, port = sys.argv[1:3]
    app = APPLICATIONS[name](load(Settings).database)
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
