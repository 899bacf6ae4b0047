"""The typed record of an offer: the columns of `processed_data` that come from the source's fields."""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec


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


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One offer as people filter, sort and read it; None is 'not said'. Units are in the names.

    Encoded as JSON it is `normalized_data`: what is not said is left out, dates are ISO text.
    """

    mark: str | None = None
    model: str | None = None
    title: str | None = None
    complectation: str | None = None
    year: int | None = None
    first_registration: date | None = None
    color: str | None = None
    price: float | None = None
    currency: str
    km_age: int | None = None
    engine_type: str | None = None
    transmission_type: str | None = None
    body_type: str | None = None
    drive_type: str | None = None
    displacement_l: float | None = None
    power_hp: float | None = None
    power_kw: float | None = None
    address: str | None = None
    province: str | None = None
    city: str | None = None
    seller_type: str | None = None
    is_dealer: bool | None = None
    salon_id: str | None = None
    section: str | None = None
    description: str | None = None
    url: str | None = None
    offer_created: date | None = None
    vin: str | None = None
    specid: str | None = None
    images: list[str] = []
    options: list[str] = []
    parameters: dict[str, str] = {}


FIELDS: Final = Offer.__struct_fields__
"""The columns, in the order of the class."""
