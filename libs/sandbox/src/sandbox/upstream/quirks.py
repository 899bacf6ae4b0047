"""How often the stand-in shows each documented oddity of the real feed: one table."""

from dataclasses import dataclass, fields, replace

from sandbox.upstream.errors import BadOptionError


@dataclass(frozen=True, slots=True)
class Quirks:
    """Shares of offers, 0 … 1 (of rows for the first two, of events for the last three).

    Observed rates where one is known, else a guess of the right order, for the oddities of auto-api's che168.
    `ghost_events` is on or off: a history with ghosts has two in forty events, and a silent day a week.
    Off unless asked for: `hostile_text` (what JSONB cannot hold: NUL, a lone surrogate) and `offer_gone_early`
    (`/offer` answers 404 up to a day of events before `/changes` says `removed`).
    """

    repeated_inner_id: float = 0.005
    empty_shell: float = 0.0005
    mark_chinese: float = 0.02
    commercial: float = 0.02
    model_empty: float = 0.02
    model_with_mark: float = 0.05
    model_chinese: float = 0.03
    configuration_absent: float = 0.05
    complectation_empty: float = 0.2
    complectation_full_name: float = 0.3
    year_zero: float = 0.005
    year_empty: float = 0.005
    never_registered: float = 0.01
    registration_empty: float = 0.01
    price_zero: float = 0.001
    km_zero: float = 0.01
    numbers_as_strings: float = 0.5
    engine_type_missing: float = 0.06
    enum_russian: float = 0.3
    enum_lower_case: float = 0.5
    enum_unmapped: float = 0.005
    district_empty: float = 0.1
    is_dealer_as_string: float = 0.3
    specid_mismatch: float = 0.005
    param_ids_absent: float = 0.02
    images_as_json_string: float = 0.6
    images_one_url: float = 0.003
    images_empty: float = 0.01
    extra_as_json_string: float = 0.05
    phone_in_inspection: float = 0.3
    data_id_differs: float = 0.3
    hostile_text: float = 0.0
    offer_wrapped: float = 0.5
    offer_with_vin: float = 1.0
    offer_gone_early: float = 0.0
    ghost_events: float = 0.05
    removed_with_empty_data: float = 0.5
    created_at_in_moscow_time: float = 0.5

    def with_rate(self, name: str, rate: float) -> "Quirks":
        """Return the table with one rate replaced.

        Raises:
            BadOptionError: no such quirk, or a rate outside 0 … 1.
        """
        if name not in {field.name for field in fields(self)}:
            raise BadOptionError(f"unknown quirk: {name}")
        if not 0 <= rate <= 1:
            raise BadOptionError(f"the rate of {name} must be from 0 to 1")
        return replace(self, **{name: rate})


DOCUMENTED_QUIRKS = Quirks()
NO_QUIRKS = Quirks(**{field.name: 0.0 for field in fields(Quirks)})


def every(rate: float) -> int:
    """Return the distance between two occurrences of a rate, 0 for never."""
    return round(1 / rate) if rate else 0


def threshold(rate: float) -> int:
    """Return the bound below which a 16-bit draw means that the quirk occurs."""
    return round(rate * 65536)
