"""The typed record of an offer: the columns of `processed_data` that come from the source's fields."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class PlatformProfile:
    """What the fields of one platform mean (UPSTREAMS §1.10); data, not branches.

    Attributes:
        price_multiplier: `price_field` × this = units of `currency`.
        renames: Names in a `changed` event → names in the full record.
    """

    currency: str = "CNY"
    price_field: str = "price"
    price_multiplier: int = 1
    power_field: str = "power"
    displacement_unit: str = "l"
    registration_field: str = "first_registration"
    renames: dict[str, str] = field(default_factory=lambda: {"new_price": "price"})


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer as people filter, sort and read it; None is 'not said'. Units are in the names."""

    mark: str | None
    model: str | None
    title: str | None
    complectation: str | None
    year: int | None
    first_registration: date | None
    color: str | None
    price: float | None
    currency: str
    km_age: int | None
    engine_type: str | None
    transmission_type: str | None
    body_type: str | None
    drive_type: str | None
    displacement_l: float | None
    power_hp: float | None
    power_kw: float | None
    address: str | None
    province: str | None
    city: str | None
    seller_type: str | None
    is_dealer: bool | None
    salon_id: str | None
    section: str | None
    description: str | None
    url: str | None
    offer_created: date | None
    vin: str | None
    specid: str | None
    images: list[str]
    options: list[str]
    parameters: dict[str, str]

    def as_document(self) -> dict[str, Any]:
        """Return what is said, by column; dates as ISO text. This is `normalized_data`."""
        document = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in document.items() if value is not None and value not in ([], {})}


FIELDS: Final = tuple(Offer.__dataclass_fields__)
"""The columns, in the order of the dataclass."""
