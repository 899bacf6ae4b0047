"""The typed record of an offer: the columns of `processed_data` that come from the source's fields."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec


@dataclass(frozen=True, slots=True)
class PlatformProfile:
    """What the fields of one platform mean (UPSTREAMS §1.10); data, not branches.

    Attributes:
        price_multiplier: `price_field` × this = units of `currency`.
        full_price_field: The same price in units of `currency`; empty: the platform has none.
        extras_field: The field with what else is known of the car.
        renames: Names in a `changed` event → names in the full record.
    """

    currency: str = "CNY"
    price_field: str = "price"
    price_multiplier: int = 1
    full_price_field: str = ""
    extras_field: str = "extra"
    power_field: str = "power"
    displacement_unit: str = "l"
    registration_field: str = "first_registration"
    renames: dict[str, str] = field(default_factory=lambda: {"new_price": "price"})

    @property
    def price_fields(self) -> frozenset[str]:
        """The fields of a full record that make the price, and nothing but the price."""
        return frozenset(filter(None, (self.price_field, self.full_price_field)))


class Oddity(NamedTuple):
    """What could not be read or is not known, for people: which field, why, and the value, cut to what a line holds.

    `reason` is `unmapped` (a word that no vocabulary has), `unreadable`, `conflict` (the record contradicts itself) or
    `unknown_key` (`field` is empty, `word` is the key).
    """

    field: str
    reason: str
    word: str


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One offer as people filter, sort and read it; None is 'not said'. Units are in the names.

    Encoded as JSON it is `normalized_data`: what is not said is left out, dates are ISO text. The fields stand as jsonb
    keeps keys, short ones first: PostgreSQL, which sorts the keys of every document, then has nothing to do.
    """

    url: str | None = None
    vin: str | None = None
    city: str | None = None
    mark: str | None = None
    year: int | None = None
    color: str | None = None
    model: str | None = None
    price: float | None = None
    title: str | None = None
    images: list[str] = []
    km_age: int | None = None
    seller: str | None = None
    specid: str | None = None
    address: str | None = None
    details: dict[str, Any] = {}
    options: list[str] = []
    section: str | None = None
    currency: str
    district: str | None = None
    power_hp: float | None = None
    power_kw: float | None = None
    province: str | None = None
    salon_id: str | None = None
    body_type: str | None = None
    is_dealer: bool | None = None
    drive_type: str | None = None
    generation: str | None = None
    parameters: dict[str, str] = {}
    description: str | None = None
    engine_type: str | None = None
    seller_type: str | None = None
    ice_power_hp: float | None = None
    owners_count: int | None = None
    complectation: str | None = None
    configuration: str | None = None
    offer_created: date | None = None
    displacement_l: float | None = None
    electric_power_hp: float | None = None
    transmission_type: str | None = None
    first_registration: date | None = None


ONLY_IN_DOCUMENT: Final = frozenset(
    {
        *("parameters", "district", "generation", "configuration", "owners_count", "seller", "ice_power_hp"),
        *("electric_power_hp", "details"),
    }
)
"""The fields that are no columns."""
FIELDS: Final = tuple(name for name in Offer.__struct_fields__ if name not in ONLY_IN_DOCUMENT)
"""The columns."""
