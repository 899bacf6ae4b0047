"""The HTTP application: routes, gate and frame put around each other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.types import ASGIApp

from common.clock import Clock
from gateway.core.access import Access
from gateway.core.aggregate import FanOut
from gateway.core.as_of import AsOf
from gateway.core.autoapi import Dialect
from gateway.core.change_feed import ChangeFeed
from gateway.core.cursor import CursorSigner
from gateway.core.ports import (
    ChangeReader,
    OfferExporter,
    OfferReader,
    ProductReader,
    ProvenanceReader,
    QueueReader,
    RecordReader,
    RecordSource,
    StatsReader,
    StatusReader,
)
from gateway.core.rate_limit import RateLimiter
from gateway.core.reads import ReadRoute
from gateway.entrypoints.http.auth import RequireToken
from gateway.entrypoints.http.autoapi_v2 import add_autoapi
from gateway.entrypoints.http.changes import add_changes
from gateway.entrypoints.http.collect import add_collect
from gateway.entrypoints.http.cors import Cors
from gateway.entrypoints.http.data_age import DataAge
from gateway.entrypoints.http.dispatch import Dispatch
from gateway.entrypoints.http.docs import DOCS_PATHS, add_docs
from gateway.entrypoints.http.export import add_export
from gateway.entrypoints.http.facets import add_facets
from gateway.entrypoints.http.frame import PROBES, Frame
from gateway.entrypoints.http.health import add_health, add_metrics, add_status
from gateway.entrypoints.http.info import INFO_PATH, add_info
from gateway.entrypoints.http.metrics import RequestMetrics
from gateway.entrypoints.http.offers import add_offers
from gateway.entrypoints.http.one_reading import OneReading
from gateway.entrypoints.http.products import add_products
from gateway.entrypoints.http.provenance import add_provenance
from gateway.entrypoints.http.search import add_search
from gateway.entrypoints.http.stats import add_stats


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application answers with."""

    offers: OfferReader
    provenance: ProvenanceReader
    exports: OfferExporter
    most_exports: int
    """Exports that run at once."""
    products: ProductReader
    changes: ChangeReader
    feed: ChangeFeed
    records: RecordReader
    dialects: Mapping[str, Dialect]
    """Platforms that are served by auto-api's contract."""
    sources: Sequence[RecordSource]
    fan_out: FanOut
    status: StatusReader
    stats: StatsReader
    queues: QueueReader
    as_of: AsOf
    access: Access
    limiter: RateLimiter
    cursors: CursorSigner
    clock: Clock
    new_id: Callable[[], str]
    """Makes request ids."""
    schema_head: str
    """The revision that the database must have."""
    version: str
    docs_open: bool
    info_open: bool
    info_only_local: bool
    """Whether it is open only to requests that name this machine."""
    followed: Collection[str]
    """Platforms and shops that are enabled: the metrics have samples for each."""
    cors_origins: Collection[str] = ()
    """Origins whose pages may read answers; none: nothing is said of origins at all."""
    reads: ReadRoute | None = None
    """Decides who answers reads; None: there is no replica."""


def build_api(parts: Parts) -> FastAPI:
    """Return the application; it opens nothing and needs no lifespan."""
    app = FastAPI(
        title="feedmill gateway",
        version=parts.version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # looked for at every request otherwise
    )
    add_changes(app, parts.changes, parts.feed)  # before /offers/{inner_id}, of which /offers/stream is one
    add_facets(app, parts.offers, parts.clock)
    add_export(app, parts.exports, most=parts.most_exports, clock=parts.clock)
    add_offers(app, parts.offers, parts.cursors)
    add_provenance(app, parts.provenance)
    add_products(app, parts.products, parts.cursors)
    add_collect(app, parts.sources, parts.fan_out)
    add_search(app, parts.offers, parts.products, parts.sources, fan_out=parts.fan_out)
    add_info(
        app,
        offers=parts.offers,
        products=parts.products,
        status=parts.status,
        fan_out=parts.fan_out,
        needs_token=not parts.info_open,
    )
    add_autoapi(app, parts.records, parts.changes, dialects=parts.dialects)
    add_stats(app, parts.stats, parts.clock)
    add_status(app, parts.status, parts.queues, version=parts.version, reads=parts.reads)
    add_health(app, parts.status, parts.clock, schema_head=parts.schema_head)
    requests = RequestMetrics()
    asked = parts.fan_out.counts
    add_metrics(app, parts.status, requests, parts.clock, followed=parts.followed, asked=asked, reads=parts.reads)
    add_docs(app)
    open_paths = set(PROBES)
    open_paths |= DOCS_PATHS if parts.docs_open else set()
    open_paths |= {INFO_PATH} if parts.info_open and not parts.info_only_local else set()
    app.middleware_stack = _around(app, parts, open_paths, requests)
    return app


def _around(app: FastAPI, parts: Parts, open_paths: Collection[str], requests: RequestMetrics) -> ASGIApp:
    """Return the routes and what is around them, in place of what FastAPI puts there: the frame knows all errors."""
    dated = DataAge(Dispatch(app.router, routes=app.routes), as_of=parts.as_of)
    answering = dated if parts.reads is None else OneReading(dated)
    guarded = RequireToken(
        answering,
        access=parts.access,
        limiter=parts.limiter,
        open_paths=open_paths,
        local_paths={INFO_PATH} if parts.info_open else (),
    )
    framed = Frame(
        guarded,
        clock=parts.clock,
        new_id=parts.new_id,
        policy=parts.limiter.quota.policy,
        answered=requests.answered,
    )
    return Cors(framed, origins=parts.cors_origins) if parts.cors_origins else framed
