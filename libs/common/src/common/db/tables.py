"""The schema, as SQLAlchemy holds it. Migrations are written from it and compared with it in a test.

The columns that users of the first parser knew keep their names; ours stand beside them. Times are `timestamptz` in
UTC, money is `numeric` with a currency, ids of the source are text.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from common.db.states import ACTIVE, INACTIVE

__all__ = [
    "ACTIVE",
    "INACTIVE",
    "catalog_changes",
    "drift",
    "feed_days",
    "feed_pages",
    "fetch_runs",
    "filters_reference",
    "lookups",
    "metadata",
    "operations_log",
    "processed_data",
    "quarantine",
    "raw_data",
    "replays",
    "retention",
    "source_1",
    "source_2",
    "source_3",
    "sweep_sights",
    "sync_state",
]

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


# A hundredth of a large table is enough for autovacuum, instead of a fifth: dead rows stay few, counts and lists find
# their answers in indexes alone, and plans know what has come.
_VACUUMED_SOON: Final = {
    "autovacuum_vacuum_scale_factor": "0.01",
    "autovacuum_vacuum_threshold": "1000",
    "autovacuum_vacuum_insert_scale_factor": "0.01",
    "autovacuum_analyze_scale_factor": "0.01",
    "autovacuum_analyze_threshold": "1000",
}


def _moment(name: str, *, now: bool = False, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=func.now() if now else None)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


raw_data: Final = Table(
    "raw_data",
    metadata,
    _id(),
    Column("platform", Text, nullable=False),
    Column("inner_id", Text, nullable=False),
    Column("source_id", Text, comment="the upstream's row or event id"),
    Column("change_type", Text, nullable=False),
    _moment("created_at", nullable=True),
    Column("data", JSONB, nullable=False, comment="the record as the upstream gave it, changes merged in"),
    _moment("first_loaded_at", now=True),
    _moment("last_updated_at", now=True),
    Column("source", Text, nullable=False, comment="initial_load | daily_update | snapshot | lookup"),
    Column("active_status", SmallInteger, nullable=False, server_default=text("0"), comment="0 active, 1 not"),
    Column("is_processed", Boolean, nullable=False, server_default=text("false")),
    Column("base_seq", BigInteger, comment="version of the last full record; null: none yet"),
    Column("base_sight", BigInteger, comment="when that record was seen; of two sights with one seq the earlier wins"),
    Column("field_seq", JSONB, comment="version of each field that is newer than the base; null: none"),
    Column("active_seq", BigInteger, comment="version of active_status; null: never said"),
    Column("max_seq", BigInteger, nullable=False, comment="version of change_type, created_at, source_id, source"),
    Column("page_id", BigInteger, comment="feed_pages.id of the page that changed the row last"),
    Column("error_count", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    UniqueConstraint("platform", "inner_id"),
    CheckConstraint("active_status IN (0, 1)", name="active_status"),
    CheckConstraint("jsonb_typeof(data) = 'object'", name="data_object"),
    postgresql_with={**_VACUUMED_SOON, "fillfactor": "90"},
)
Index("raw_data_unprocessed_idx", raw_data.c.platform, raw_data.c.id, postgresql_where=text("NOT is_processed"))
Index(
    "raw_data_incomplete_idx",
    raw_data.c.platform,
    raw_data.c.inner_id,
    postgresql_where=text("base_seq IS NULL AND active_status = 0"),
)

processed_data: Final = Table(
    "processed_data",
    metadata,
    _id(),
    Column("platform", Text, nullable=False),
    Column("inner_id", Text, nullable=False),
    Column("mark", Text),
    Column("model", Text),
    Column("title", Text),
    Column("complectation", Text),
    Column("year", SmallInteger),
    Column("first_registration", Date, comment="first day of the month where the source gives no day"),
    Column("color", Text, comment="canonical code, or the source's word where it is unknown"),
    Column("price", Numeric(14, 2), comment="in units of currency"),
    Column("currency", String(3)),
    Column("km_age", Integer, comment="kilometres"),
    Column("engine_type", Text, comment="canonical code"),
    Column("transmission_type", Text, comment="canonical code"),
    Column("body_type", Text, comment="canonical code"),
    Column("drive_type", Text, comment="canonical code"),
    Column("displacement_l", Numeric(5, 2), comment="litres"),
    Column("power_hp", Numeric(7, 1), comment="metric horsepower"),
    Column("power_kw", Numeric(7, 1)),
    Column("address", Text),
    Column("province", Text),
    Column("city", Text),
    Column("seller_type", Text),
    Column("is_dealer", Boolean),
    Column("salon_id", Text),
    Column("section", Text),
    Column("description", Text),
    Column("url", Text),
    Column("offer_created", Date),
    Column("vin", Text),
    Column("specid", Text),
    Column("images", JSONB, nullable=False, server_default=text("'[]'"), comment="array of URLs"),
    Column("options", JSONB, nullable=False, server_default=text("'[]'"), comment="array of option names"),
    Column("normalized_data", JSONB, nullable=False, comment="everything, with the key parameters of configuration"),
    Column("active_status", SmallInteger, nullable=False, comment="0 active, 1 not"),
    Column("is_complete", Boolean, nullable=False, comment="false: known only from partial events"),
    _moment("source_created_at", nullable=True),
    Column("max_seq", BigInteger, nullable=False, comment="raw_data.max_seq that this row was made from"),
    _moment("created_at", now=True),
    _moment("updated_at", now=True),
    Column("words", TSVECTOR, Computed("offer_words(mark, model, title)", persisted=True), comment="what q searches"),
    UniqueConstraint("platform", "inner_id"),
    postgresql_with={**_VACUUMED_SOON, "fillfactor": "90"},
)
_LISTED: Final = text("active_status = 0 AND is_complete")
for _name, _columns in {
    "processed_data_mark_model_price_idx": (
        func.lower(processed_data.c.mark),
        func.lower(processed_data.c.model),
        processed_data.c.price,
        processed_data.c.id,
    ),
    "processed_data_price_idx": (processed_data.c.price, processed_data.c.id),
    "processed_data_year_idx": (processed_data.c.year, processed_data.c.id),
    "processed_data_km_age_idx": (processed_data.c.km_age, processed_data.c.id),
}.items():
    Index(_name, *_columns, postgresql_where=_LISTED)
# Counting what is listed by platform needs this index alone: 0.12 s instead of 0.5 s for 250,000 offers.
# Two small GIN indexes serve the other filters in any combination, for some 20 us of processor time a row written:
# words by their beginnings, and equal values as one array. Their functions are made by a migration (0008).
_OFFER: Final = processed_data.c
Index("processed_data_words_idx", _OFFER.words, postgresql_using="gin", postgresql_where=_LISTED)
Index(
    "processed_data_tags_idx",
    func.offer_tags(
        *(_OFFER.platform, _OFFER.model, _OFFER.engine_type, _OFFER.transmission_type, _OFFER.body_type),
        *(_OFFER.drive_type, _OFFER.color, _OFFER.city, _OFFER.is_dealer),
    ),
    postgresql_using="gin",
    postgresql_where=_LISTED,
)
Index("processed_data_listed_idx", processed_data.c.id, postgresql_include=["platform"], postgresql_where=_LISTED)

fetch_runs: Final = Table(
    "fetch_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="initial_load | daily_update | sweep | snapshot"),
    Column("status", Text, nullable=False, comment="running | done | failed"),
    Column("start_change_id", BigInteger, comment="S0: the change id taken before page 1"),
    Column("position", BigInteger, comment="last page or change id whose message the broker confirmed"),
    Column("next_position", BigInteger, comment="what the upstream named as next; null: the end was reached"),
    Column("pages", BigInteger, nullable=False, server_default=text("0")),
    Column("records", BigInteger, nullable=False, server_default=text("0")),
    _moment("started_at", now=True),
    _moment("updated_at", now=True),
    _moment("finished_at", nullable=True),
    CheckConstraint("status IN ('running', 'done', 'failed')", name="status"),
)
Index("fetch_runs_platform_idx", fetch_runs.c.platform, fetch_runs.c.kind, fetch_runs.c.started_at)

feed_pages: Final = Table(
    "feed_pages",
    metadata,
    _id(),
    Column("platform", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="page | change | snapshot | lookup"),
    Column("position", BigInteger, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("message_id", Text, nullable=False, unique=True, comment="platform:kind:position:run"),
    Column("status", Text, nullable=False, comment="fetched (confirmed by the broker) | landed | gap"),
    Column("records", Integer, nullable=False, server_default=text("0")),
    Column("landed", Integer, nullable=False, server_default=text("0")),
    Column("quarantined", Integer, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    _moment("next_attempt_at", nullable=True),
    Column("error", Text),
    _moment("fetched_at", nullable=True),
    _moment("landed_at", nullable=True),
    _moment("created_at", now=True),
    CheckConstraint("status IN ('fetched', 'landed', 'gap')", name="status"),
    postgresql_with=_VACUUMED_SOON,
)
Index("feed_pages_open_idx", feed_pages.c.platform, feed_pages.c.id, postgresql_where=text("status <> 'landed'"))
Index("feed_pages_run_idx", feed_pages.c.run_id, feed_pages.c.position)

sync_state: Final = Table(
    "sync_state",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("last_successful_date", Date),
    Column("last_change_id", BigInteger, comment="where the next daily update starts; 0 is a valid id"),
    _moment("updated_at", now=True),
    _moment("moved_at", nullable=True),
    _moment("last_added_at", nullable=True),
    _moment("paused_at", nullable=True),
)

feed_days: Final = Table(
    "feed_days",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("day", Date, primary_key=True, comment="day of the fetch, in the platform's zone"),
    Column("kind", Text, primary_key=True, comment="page | change | snapshot | lookup"),
    *(Column(name, BigInteger, nullable=False, server_default=text("0")) for name in ("added", "changed", "removed")),
    comment="Records whose messages the broker confirmed",
)

lookups: Final = Table(
    "lookups",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("inner_id", Text, primary_key=True),
    Column("reason", Text, nullable=False, comment="complete (only partly known) | retire (no sweep shows it)"),
    Column("missed", Integer, nullable=False, server_default=text("0"), comment="times that /offer said 404"),
    _moment("first_missed_at", nullable=True),
    _moment("next_attempt_at", nullable=True),
    Column("error", Text),
    CheckConstraint("reason IN ('complete', 'retire')", name="reason"),
    comment="Offers that /offer is asked about again",
)

filters_reference: Final = Table(
    "filters_reference",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("data", JSONB, nullable=False, comment="the answer of /filters as it came"),
    _moment("fetched_at"),
)

sweep_sights: Final = Table(
    "sweep_sights",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("inner_id", Text, primary_key=True),
    comment="Offers that the sweeps under way have seen; empty between two reconciliations",
)

catalog_changes: Final = Table(
    "catalog_changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("platform", Text, nullable=False),
    Column("inner_id", Text, nullable=False),
    Column("change_type", Text, nullable=False, comment="added | changed | removed"),
    _moment("changed_at", now=True),
    Column("diff", JSONB, nullable=False, comment="{field: [old, new]} of processed_data; {} for added"),
    Index("catalog_changes_inner_id_idx", "inner_id", "change_id"),
    comment="Written under one advisory lock, so that ids become visible in their order",
    postgresql_with=_VACUUMED_SOON,
)
Index("catalog_changes_platform_idx", catalog_changes.c.platform, catalog_changes.c.change_id)
# Rows are appended in the order of their time, nearly: a few kilobytes find the day at which somebody wants to begin.
Index("catalog_changes_changed_at_idx", catalog_changes.c.changed_at, postgresql_using="brin")

replays: Final = Table(
    "replays",
    metadata,
    Column("platform", Text, primary_key=True, comment="empty: all"),
    Column("inner_id", Text, primary_key=True, comment="empty: all"),
    Column("position", BigInteger, nullable=False, comment="raw_data.id up to which rows were normalised anew"),
    _moment("started_at", now=True),
    _moment("updated_at", now=True),
    Column("mapping", Text, nullable=False, server_default="", comment="digest of the mapping; empty: not known"),
    comment="Replays that have not ended",
)

retention: Final = Table(
    "retention",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("removed", BigInteger, nullable=False, comment="rows, since the beginning"),
    Column("removed_to", BigInteger, nullable=False, comment="greatest id among them"),
    _moment("removed_until"),
    _moment("removed_at"),
    comment="What has been removed by age; of catalog_changes everything up to removed_to",
)

drift: Final = Table(
    "drift",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("field", Text, primary_key=True, comment="empty: a key of the record itself"),
    Column("reason", Text, primary_key=True, comment="unmapped | unreadable | conflict | unknown_key"),
    Column("word", Text, primary_key=True, comment="as it came; empty: words beyond those that are kept"),
    Column("seen", BigInteger, nullable=False, comment="how often a record came with it"),
    _moment("first_seen_at", now=True),
    _moment("last_seen_at", now=True),
    comment="What the normalizer met and did not know",
    postgresql_with={"fillfactor": "70"},
)

quarantine: Final = Table(
    "quarantine",
    metadata,
    _id(),
    Column("platform", Text, nullable=False),
    Column("inner_id", Text),
    Column("message_id", Text, nullable=False),
    Column("record_index", Integer, nullable=False, comment="0-based place of the record in its message"),
    Column("reason", Text, nullable=False),
    Column("detail", Text),
    Column("body", LargeBinary, nullable=False, comment="the record's JSON as it came"),
    Column("page_id", BigInteger),
    _moment("created_at", now=True),
    UniqueConstraint("message_id", "record_index", "reason"),
)

operations_log: Final = Table(
    "operations_log",
    metadata,
    _id(),
    Column("operation_type", Text, nullable=False),
    _moment("started_at"),
    Column("duration", Double, nullable=False, comment="seconds"),
    Column("status", Text, nullable=False),
    Column("details", Text),
    Column("platform", Text),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("operation_type IN ('data_fetch', 'normalization')", name="operation_type"),
    CheckConstraint("status IN ('OK', 'ERROR')", name="status"),
)
Index("operations_log_started_at_idx", operations_log.c.started_at)


def _source(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", Text, nullable=False),
        comment="A reference source of /collect-data",
    )


# Filled by a migration; the gateway reads them here until somebody points its section `sources` elsewhere.
source_1: Final = _source("source_1")
source_2: Final = _source("source_2")
source_3: Final = _source("source_3")
