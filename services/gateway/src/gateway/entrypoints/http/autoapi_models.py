"""The answers of auto-api's contract as they are documented."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.config import JsonDict

_RECORD: Final[JsonDict] = {"inner_id": "55651236", "mark": "BMW", "model": "X5", "year": "2021", "price": "298000"}
_REFERENCE: Final[JsonDict] = {"mark": {"BMW": {"model": ["X5"]}}, "color": ["White"]}


class AutoApiRecord(RootModel[dict[str, Any]]):
    """The record as its platform gave it, changes merged in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_RECORD}]})


class AutoApiFilters(RootModel[dict[str, Any]]):
    """The platform's reference of marks, models and words."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REFERENCE]})


class AutoApiEvent(BaseModel):
    """One row."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[int, Field(examples=[1273379])]
    inner_id: Annotated[str, Field(examples=["55651236"])]
    change_type: Annotated[str, Field(description="`added`, `changed` or `removed`", examples=["added"])]
    created_at: Annotated[str, Field(examples=["2025-08-05T08:18:10.679Z"])]
    data: Annotated[dict[str, Any] | None, Field(description="Left out of `removed`", examples=[_RECORD])] = None


class AutoApiPageMeta(BaseModel):
    """Where the list goes on."""

    page: Annotated[int, Field(examples=[1])]
    next_page: Annotated[int | None, Field(examples=[2])]
    limit: Annotated[int, Field(examples=[20])]


class AutoApiChangesMeta(BaseModel):
    """Where the events go on."""

    cur_change_id: Annotated[int, Field(examples=[1])]
    next_change_id: Annotated[int | None, Field(examples=[21])]
    limit: Annotated[int, Field(examples=[20])]


class AutoApiOffers(BaseModel):
    """One page of offers."""

    result: list[AutoApiEvent]
    meta: AutoApiPageMeta


class AutoApiChanges(BaseModel):
    """One page of events."""

    result: list[AutoApiEvent]
    meta: AutoApiChangesMeta


class AutoApiChangeId(BaseModel):
    """Where the events of a day begin."""

    change_id: Annotated[int, Field(examples=[3294715])]


class AutoApiError(BaseModel):
    """An error of this contract."""

    message: Annotated[str, Field(examples=["Validation failed"])]
    errors: Annotated[list[str] | None, Field(examples=[["invalid page"]])] = None
