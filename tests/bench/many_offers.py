"""A catalogue of 250,000 offers, as wide as real ones, written by SQL."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from tests.bench import wrk
from tests.bench.chain import database_of
from tests.bench.gateways import Gateways

from common.settings import DatabaseSettings
from sandbox.stack import Stack

OFFERS = 250_000
MARKS = 40
MODELS = 400
"""Model `h` belongs to mark `h % MARKS`; each has 625 offers, of which some 580 are listed."""
FILL_TIMEOUT_S = 300.0

INDEXES = """
    SELECT pg_get_indexdef(indexrelid) AS made, 'DROP INDEX ' || indexrelid::regclass AS dropped FROM pg_index
    WHERE indrelid = 'processed_data'::regclass AND indpred IS NOT NULL
"""
"""The partial indexes, made anew after the rows: it is faster."""

FILL = f"""
    INSERT INTO processed_data (platform, inner_id, mark, model, title, complectation, year, first_registration, price,
        currency, km_age, color, engine_type, transmission_type, body_type, drive_type, displacement_l, power_hp,
        address, province, city, is_dealer, description, url, offer_created, images, normalized_data, active_status,
        is_complete, max_seq)
    SELECT CASE WHEN n % 10 < 8 THEN 'che168' ELSE 'dongchedi' END, n::text, 'Mark ' || h % {MARKS},
        'Model ' || h % {MODELS}, 'Mark ' || h % {MARKS} || ' ' || 2005 + h % 20 || ' edition' || h % 300,
        'Trim ' || h % 90, 2005 + h % 20, date '2005-01-01' + (h % 7000)::int, nullif(h % 500000, 0), 'CNY',
        nullif(h * 31 % 300000, 0),
        (ARRAY['white', 'black', 'grey', 'silver', 'red', 'blue', 'green', 'brown'])[1 + least(h % 23, 7)],
        (ARRAY['gasoline', 'diesel', 'electric', 'hybrid'])[1 + least(h % 9, 3)],
        (ARRAY['automatic', 'manual', 'cvt'])[1 + least(h % 7, 2)],
        (ARRAY['sedan', 'suv', 'hatchback', 'mpv', 'coupe', 'pickup'])[1 + least(h % 13, 5)],
        (ARRAY['fwd', 'rwd', 'awd'])[1 + h % 3], 1.0 + h % 30 / 10.0, 80 + h % 400, 'Street ' || h % 1000,
        'Province ' || h % 30, 'City ' || h % 150, h % 4 <> 0, repeat('Well kept, second owner. ', 5),
        'https://offers.example/' || n, date '2026-01-01' + (h % 300)::int,
        jsonb_build_array('https://pictures.example/' || n || '/1.jpg', 'https://pictures.example/' || n || '/2.jpg',
                          'https://pictures.example/' || n || '/3.jpg', 'https://pictures.example/' || n || '/4.jpg'),
        jsonb_build_object('wheelbase_mm', 2400 + h % 600, 'length_mm', 4000 + h % 1000, 'doors', 4, 'seats', 5,
                           'fuel_tank_l', 40 + h % 40, 'emission', 'VI', 'range_km', h % 700, 'warranty', 'no'),
        (n % 20 = 1)::int, n % 50 <> 7, n
    FROM (SELECT n, abs(hashint8(n)::bigint) AS h FROM generate_series(1, {OFFERS}::bigint) AS n) AS numbers
"""  # noqa: S608 - made of the constants above


async def fill(settings: DatabaseSettings) -> None:
    """Write the offers with every index, and let the planner know them."""
    connection = await connect(settings)
    try:
        indexes = await connection.fetch(INDEXES)
        await connection.execute(";".join(row["dropped"] for row in indexes))
        await connection.execute(FILL)
        await connection.execute(";".join(row["made"] for row in indexes))
        await connection.execute("VACUUM ANALYZE processed_data")
    finally:
        await connection.close()


async def connect(settings: DatabaseSettings) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection of our own."""
    return await asyncpg.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.get_secret_value() or None,
        database=settings.name,
        timeout=FILL_TIMEOUT_S,
        command_timeout=FILL_TIMEOUT_S,
    )


@contextmanager
def among_offers() -> Iterator[tuple[Gateways, Path]]:
    """Lend gateways on a filled database without tokens, and a folder, both gone afterwards; without `wrk` end here."""
    if not wrk.is_there():
        raise SystemExit(wrk.MISSING)
    with tempfile.TemporaryDirectory(prefix="feedmill-bench-") as name:
        stack = Stack(Path(name) / "stack", preferred_ports={})
        stack.up()
        try:
            database = database_of(stack, "bench_gateway")
            asyncio.run(fill(database))
            gateways = Gateways(database, Path(name))
            try:
                yield gateways, Path(name)
            finally:
                gateways.stop_all()
        finally:
            stack.delete_data()
