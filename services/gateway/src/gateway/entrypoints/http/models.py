"""The answers as they are documented; tests hold real answers against them, so no field is missing or too many."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, RootModel

from gateway.core.parameters import EntityTags, Parameter

NAMED_SOURCES: Final = {"X-Sources": "Each source with `ok`, or `missing` and why: `1;ok, 2;missing;reason=timeout`"}
TAGGED: Final = {"ETag": "Strong: the same for the same bytes only"}
IF_NONE_MATCH: Final = Parameter(
    "If-None-Match", EntityTags(), "`ETag` of what the client has, or `*`.", '"5f36b2ea290645ee"'
)


class Answer(BaseModel):
    """An answer has exactly the documented fields."""

    model_config = ConfigDict(extra="forbid")


class OfferItem(Answer):
    """An offer in a list. A missing value is null; codes are canonical English, whatever the source's language."""

    platform: Annotated[str, Field(examples=["che168"])]
    inner_id: Annotated[str, Field(description="Identity on the platform", examples=["50837332"])]
    mark: Annotated[str | None, Field(examples=["BMW"])]
    model: Annotated[str | None, Field(examples=["1 Series"])]
    title: Annotated[str | None, Field(examples=["BMW 1 Series 2022 125i"])]
    complectation: Annotated[str | None, Field(examples=["125i"])]
    year: Annotated[int | None, Field(examples=[2022])]
    first_registration: Annotated[
        date | None, Field(description="First day of the month where no day is known", examples=["2022-09-01"])
    ]
    price: Annotated[float | None, Field(description="In units of `currency`; 0 is a value", examples=[98000])]
    currency: Annotated[str | None, Field(examples=["CNY"])]
    km_age: Annotated[int | None, Field(description="Kilometres; 0 is a value", examples=[0])]
    color: Annotated[str | None, Field(examples=["white"])]
    engine_type: Annotated[str | None, Field(examples=["gasoline"])]
    transmission_type: Annotated[str | None, Field(examples=["automatic"])]
    body_type: Annotated[str | None, Field(examples=["sedan"])]
    drive_type: Annotated[str | None, Field(examples=["fwd"])]
    displacement_l: Annotated[float | None, Field(description="Litres", examples=[2.0])]
    power_hp: Annotated[float | None, Field(description="Metric horsepower", examples=[192])]
    power_kw: Annotated[float | None, Field(examples=[141])]
    province: str | None
    city: Annotated[str | None, Field(examples=["Shanghai"])]
    seller_type: Annotated[str | None, Field(examples=["dealer"])]
    is_dealer: bool | None
    url: Annotated[str | None, Field(description="The offer on its marketplace; http or https only")]
    images: Annotated[list[str], Field(description="URLs")]
    offer_created: date | None
    updated_at: datetime


def _none_required(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class ListedOffer(OfferItem):
    """An offer in a list; with `fields`, only those."""

    model_config = ConfigDict(json_schema_extra=_none_required)


class OfferList(Answer):
    """One page of offers."""

    items: list[ListedOffer]
    next_cursor: Annotated[
        str | None, Field(description="Send it as `cursor` for the next page; null: this is the last")
    ]
    total: Annotated[int | None, Field(description="Offers of all pages; null without `count`", examples=[None])]
    total_exact: Annotated[bool | None, Field(description="Whether `total` was counted", examples=[None])]


class FacetValue(Answer):
    """A value and how many offers have it."""

    value: Annotated[str | int | bool, Field(examples=["BMW"])]
    count: Annotated[int, Field(examples=[18034])]


class FacetList(Answer):
    """The values of each field among the offers that meet the filters, the most frequent first."""

    total: Annotated[int, Field(description="Offers that meet the filters", examples=[18034])]
    facets: Annotated[
        dict[str, list[FacetValue]],
        Field(description="Name of the field → its values", examples=[{"mark": [{"value": "BMW", "count": 18034}]}]),
    ]


class SourceFilters(Answer):
    """The filters that a marketplace offers."""

    platform: Annotated[str, Field(examples=["che168"])]
    fetched_at: datetime
    filters: Annotated[
        Any, Field(description="As the marketplace gave it", examples=[{"mark": {"BMW": {"model": ["X5"]}}}])
    ]


class SourceFilterList(Answer):
    """The filters of the marketplaces."""

    items: list[SourceFilters]


class OfferDetail(OfferItem):
    """One offer in full."""

    HEADERS: ClassVar[Mapping[str, str]] = TAGGED
    REQUEST_HEADERS: ClassVar[Sequence[Parameter]] = (IF_NONE_MATCH,)

    active: Annotated[bool, Field(description="false: withdrawn; lists do not show it")]
    complete: Annotated[bool, Field(description="false: known from partial events only; lists do not show it")]
    address: str | None
    salon_id: str | None
    section: str | None
    description: str | None
    vin: str | None
    specid: str | None
    options: list[str]
    normalized_data: Annotated[dict[str, Any], Field(description="Everything, with the key technical parameters")]
    source_created_at: datetime | None
    created_at: datetime


class ReferenceItem(Answer):
    """A record of a reference source."""

    id: Annotated[int, Field(examples=[1])]
    name: Annotated[str, Field(examples=["Test 1"])]


class ReferenceRecords(RootModel[list[ReferenceItem]]):
    """The records of all sources that answered, by id."""

    HEADERS: ClassVar[Mapping[str, str]] = NAMED_SOURCES


class Change(Answer):
    """One change of the catalogue."""

    change_id: Annotated[int, Field(examples=[3294715])]
    platform: Annotated[str, Field(examples=["che168"])]
    inner_id: Annotated[str, Field(examples=["50837332"])]
    change_type: Annotated[str, Field(description="`added`, `changed` or `removed`", examples=["changed"])]
    changed_at: datetime
    diff: Annotated[dict[str, Any], Field(description="Field: old and new value", examples=[{"price": [98000, 95000]}])]


class ChangeList(Answer):
    """One page of changes."""

    items: list[Change]
    next_change_id: Annotated[int, Field(description="Send it as `change_id` for what follows", examples=[3294716])]


class ChangePosition(Answer):
    """Where changes begin."""

    change_id: Annotated[int, Field(examples=[3294715])]


class PlatformCount(Answer):
    """Offers of one platform."""

    platform: str
    active: Annotated[int, Field(description="Active and complete: what the list shows")]
    total: int


class SourceState(Answer):
    """How far one platform or shop that is followed has come."""

    platform: Annotated[str, Field(examples=["che168"])]
    last_success_at: Annotated[datetime | None, Field(description="When its last complete run ended; null: none has")]
    data_as_of: Annotated[
        datetime | None, Field(description="Up to when all that it said is in the catalogue; null: not known")
    ]
    lag_s: Annotated[int | None, Field(description="Seconds since then", examples=[5120])]
    pages_open: Annotated[int, Field(description="Pages that were published and are not landed yet", examples=[0])]
    gaps_open: Annotated[int, Field(description="Pages that could not be fetched", examples=[0])]
    paused_at: Annotated[datetime | None, Field(description="Since when it is paused; null: it is not")]


class Gap(Answer):
    """A page that could not be fetched and will be tried again."""

    id: int
    platform: str
    kind: str
    position: int
    attempts: int
    next_attempt_at: datetime | None
    error: str | None


class SyncPosition(Answer):
    """How far a platform's changes are read."""

    platform: str
    last_successful_date: date | None
    last_change_id: int | None
    updated_at: datetime
    paused_at: Annotated[datetime | None, Field(description="Since when it is paused; null: it is not")]


class FeedFinding(Answer):
    """Something that is wrong with a feed although its answers look well."""

    platform: str
    finding: Annotated[str, Field(examples=["no_added"])]
    since: datetime
    detail: str


class FeedDay(Answer):
    """What a feed brought on one day of its own zone."""

    platform: str
    day: date
    kind: Annotated[str, Field(examples=["change"])]
    added: int
    changed: int
    removed: int


class FetchRun(Answer):
    """The last run of its kind on a platform."""

    platform: str
    kind: str
    run_id: str
    status: str
    position: int | None
    pages: int
    records: int
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class Operation(Answer):
    """A line of the operations log."""

    operation_type: str
    platform: str | None
    started_at: datetime
    duration_s: float
    status: str
    details: str | None
    counts: dict[str, Any]


class ReadsState(Answer):
    """Which database answers what shows the catalogue, where there is a replica for that."""

    database: Annotated[str, Field(description="`replica` or `primary`", examples=["primary"])]
    since: datetime
    why: Annotated[str, Field(examples=["lagging 14 s > 10 s"])]
    lag_s: Annotated[
        float | None,
        Field(description="How old what the replica shows is, in seconds; null: nobody knows", examples=[14.2]),
    ]
    lag_bytes: Annotated[
        int | None, Field(description="How much of the primary's log the replica has not replayed", examples=[81_920])
    ]


class Status(Answer):
    """How the installation is doing, as of `now`."""

    version: Annotated[str, Field(examples=["0.1.0"])]
    reads: Annotated[ReadsState | None, Field(description="null: there is no replica, the one database answers")]
    queues: Annotated[
        dict[str, int] | None,
        Field(
            description="Messages that wait, by queue; null: the broker cannot be asked now",
            examples=[{"normalizer.raw": 0, "normalizer.raw.dead": 0, "feedmill.unrouted": 0}],
        ),
    ]
    now: datetime
    sources: Annotated[list[SourceState], Field(description="Every platform and shop that is followed")]
    offers: list[PlatformCount]
    unprocessed: Annotated[int, Field(description="Landed records that are not normalised")]
    quarantined: Annotated[int, Field(description="Records that could not be landed")]
    pages_open: Annotated[int, Field(description="Pages that were published and are not landed yet")]
    gaps_open: Annotated[int, Field(description="Pages that could not be fetched")]
    gaps: Annotated[list[Gap], Field(description="The first 20 of them")]
    sync_state: list[SyncPosition]
    findings: Annotated[list[FeedFinding], Field(description="What the watchdog finds; empty when all is well")]
    days: Annotated[list[FeedDay], Field(description="Records sent, by day and kind, of the last 14 days")]
    runs: Annotated[list[FetchRun], Field(description="The last of each platform and kind")]
    operations: Annotated[list[Operation], Field(description="The last 10")]


class Health(Answer):
    """A probe's good news."""

    status: Annotated[str, Field(examples=["ok"])]


class ParameterFault(Answer):
    """One parameter and what is wrong with it."""

    name: str
    reason: str


class Problem(Answer):
    """An error (RFC 9457)."""

    type: Annotated[str, Field(examples=["/docs#problem-invalid-parameters"])]
    title: str
    status: int
    detail: str | None = None
    errors: list[ParameterFault] | None = None
    platforms: list[str] | None = None
    request_id: Annotated[str, Field(description="Also in the header X-Request-Id and in the log")]
