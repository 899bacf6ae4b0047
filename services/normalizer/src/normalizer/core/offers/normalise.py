"""From the raw JSON of an offer to its typed record.

Pure; never raises on odd values: what cannot be read is None and is named in the warnings, and a word that no
vocabulary knows is kept as it came and named as drift.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import msgspec

from normalizer.core.offers import configuration, extras, places, values, vocabulary
from normalizer.core.offers.fields import Reading, read_fields
from normalizer.core.offers.record import Oddity, Offer, PlatformProfile

MAX_PRICE: Final = 9e11
MAX_KM: Final = 10_000_000
MAX_HP: Final = 10_000
MAX_LITRES: Final = 20
MAX_OWNERS: Final = 1000
MAX_WORD: Final = 100
"""Characters of an odd value that are kept for people."""
SAME_POWER: Final = 0.02
"""Horsepower and kilowatts that differ by less say the same."""
KW_PER_HP: Final = 0.73549875
"""Metric horsepower, DIN 66036."""

_TRIM_NAME: Final = re.compile(r"(?P<series>.*?)\s*(?<!\d)(?P<year>(?:19|20)\d\d)款\s*(?P<trim>.*)", re.DOTALL)
"""`{series} {YYYY}款 {trim}`, parameter 93."""

_decode_text: Final = msgspec.json.Decoder(str).decode


def normalise(data: bytes, profile: PlatformProfile, reading: Reading | None = None) -> tuple[Offer, list[Oddity]]:
    """Return the typed record and what was odd.

    Args:
        data: A JSON object.
        profile: What the platform's fields mean.
        reading: What may have been decoded of it already.

    Raises:
        msgspec.DecodeError: `data` is no JSON object; the caller lets no such row through.
    """
    if reading is None or reading.data is not data:
        fields, odd = read_fields(data, profile)
    else:
        fields, odd = reading.fields, list[Oddity]()
    said = getattr(fields, profile.extras_field)
    extra = extras.of_usual(said) if isinstance(said, extras.Usual) else extras.read_extras(bytes(said))
    reader = _Reader(fields, odd)
    specid = reader.text("specid")
    # The top-level field is often only the trim, so the table in the extras comes first.
    parameters = configuration.parameters(extra.table, specid=specid)
    parameters = parameters or configuration.parameters(bytes(fields.configuration), specid=specid) or extra.parameters
    return _offer(reader, profile, extra, parameters, specid=specid), odd


def price_of(data: bytes, profile: PlatformProfile) -> tuple[float | None, list[Oddity]]:
    """Return the price as `normalise` has it, and what was odd of it.

    Args:
        data: A JSON object; of a document it is enough to have its `price_fields`.
        profile: What the platform's fields mean.

    Raises:
        msgspec.DecodeError: As `normalise`.
    """
    reader = _Reader(*read_fields(data, profile))
    return _price(reader, profile), reader.odd


def _offer(
    reader: "_Reader",
    profile: PlatformProfile,
    extra: extras.Extras,
    parameters: dict[str, str],
    *,
    specid: str | None,
) -> Offer:
    fields = reader.fields
    named = _trim(bytes(fields.configuration))
    trim_name = parameters.get("trim_name")
    registration = reader.read(profile.registration_field, values.day)
    power = _power(reader, profile, parameters)
    address = reader.text("address")
    where = places.place(address, reader.text("city"), reader.text("region"))
    if where.unknown is not None:
        reader.note("city", "unmapped", where.unknown)
    return Offer(
        mark=reader.read("mark", values.name),
        model=reader.read("model", values.name) or _of_trim_name(trim_name, "series"),
        title=reader.text("title") or trim_name,
        complectation=reader.text("complectation") or named or _of_trim_name(trim_name, "trim"),
        year=_year(reader, registration.year if registration else None, trim_name),
        first_registration=registration,
        color=reader.code("color"),
        price=_price(reader, profile),
        currency=profile.currency,
        km_age=reader.read("km_age", _distance),
        engine_type=reader.code("engine_type") or reader.code_of(parameters, "engine_type"),
        transmission_type=reader.code("transmission_type") or reader.code_of(parameters, "transmission_type"),
        body_type=reader.code("body_type") or reader.code_of(parameters, "body_type"),
        drive_type=reader.code("drive_type") or reader.code_of(parameters, "drive_type"),
        displacement_l=_litres(reader, profile, parameters),
        power_hp=power.hp,
        power_kw=power.kw,
        address=address,
        province=where.province,
        city=where.city,
        seller_type=reader.code("seller_type"),
        is_dealer=reader.read("is_dealer", values.boolean),
        salon_id=reader.text("salon_id"),
        section=reader.text("section"),
        description=reader.text("description"),
        url=_url(reader),
        offer_created=reader.read("offer_created", values.day),
        vin=reader.text("vin"),
        specid=specid,
        images=_images(reader),
        options=_options(fields.options, fields.equipment, extra.options),
        parameters=parameters,
        district=where.district,
        generation=reader.text("generation"),
        configuration=named,
        owners_count=reader.read("owners_count", _owners),
        seller=reader.text("seller"),
        ice_power_hp=power.ice,
        electric_power_hp=power.electric,
        details=extra.details,
    )


class _Reader:
    """Reads fields and remembers what could not be read."""

    def __init__(self, fields: Any, odd: list[Oddity]) -> None:
        self.fields = fields
        self.odd = odd

    def note(self, field: str, reason: str, value: Any) -> None:
        self.odd.append(Oddity(field, reason, (values.text(value) or type(value).__name__)[:MAX_WORD]))

    def read(self, name: str, how: Callable[[Any], Any]) -> Any:
        value = getattr(self.fields, name)
        if value is None or value == "":  # as most powers are
            return None
        found = how(value)
        if found is None and values.is_said(value):
            self.note(name, "unreadable", value)
        return found

    def text(self, name: str) -> str | None:
        return self.read(name, values.text)  # type: ignore[no-any-return] # None, or what `text` returns

    def code(self, name: str) -> str | None:
        word = getattr(self.fields, name)
        if not isinstance(word, str):
            word = self.text(name)
            if word is None:
                return None
        found, known = vocabulary.code(name, word)
        if not known:
            self.note(name, "unmapped", word)
        return found

    def code_of(self, parameters: dict[str, str], name: str) -> str | None:
        """Return the code that the parameter table gives for a field that says nothing."""
        for parameter in _PARAMETERS_OF[name]:
            word = parameters.get(parameter, "")[: values.LONGEST_SEARCHED]
            found, known = vocabulary.code(name, _BARE.sub("", word)) if word else ("", False)
            if known:
                return found
        return None


_PARAMETERS_OF: Final = {
    "engine_type": ("energy_type", "fuel"),
    "transmission_type": ("gearbox_type", "gearbox"),
    "body_type": ("body_structure",),
    "drive_type": ("drive",),
}
_BARE: Final = re.compile(r"^(?:\d门)?(?:[\d-]+座)?(?:E-CVT)?(?:\d+挡)?|\(.*\)$")
"""What stands around the word in `4门5-6座皮卡`, `7挡湿式双离合`, `CVT无级变速(模拟5挡)`."""


def _url(reader: _Reader) -> str | None:
    """Return the address of the offer; every platform's has the offer's id in it."""
    url: str | None = reader.read("url", values.url)
    inner_id = values.text(reader.fields.inner_id)
    if url is not None and inner_id is not None and inner_id not in url:
        reader.note("url", "conflict", url)
    return url


def _distance(value: Any) -> int | None:
    return values.whole(value, low=0, high=MAX_KM)


def _owners(value: Any) -> int | None:
    return values.whole(value, low=0, high=MAX_OWNERS)


def _trim(configured: bytes) -> str | None:
    """Return the top-level `configuration` where it is a plain trim such as `"125i"`."""
    if configured[:1] != b'"':
        return None
    try:
        found = values.text(_decode_text(configured))
    except (msgspec.DecodeError, UnicodeError):
        return None
    return found if found is not None and not found.startswith("{") else None


def _price(reader: _Reader, profile: PlatformProfile) -> float | None:
    """Return the price; where it is said in whole units as well, that is exact unless the two contradict each other.

    A `changed` event may bring the one without the other, so the price that people see and filter by wins.
    """
    unit = profile.price_multiplier
    price: float | None = reader.read(profile.price_field, _priced(MAX_PRICE / unit))
    scaled = None if price is None else round(price * unit, 2)
    if not profile.full_price_field:
        return scaled
    full: float | None = reader.read(profile.full_price_field, _priced(MAX_PRICE))
    if scaled is None or (full is not None and abs(full - scaled) < unit):
        return full
    if full is not None:
        reader.note(profile.price_field, "conflict", f"{price:g} x {unit}, but {profile.full_price_field} {full:.0f}")
    return scaled


@lru_cache(maxsize=16)
def _priced(most: float) -> Callable[[Any], float | None]:
    return partial(values.real, low=0, high=most)


def _year(reader: _Reader, registered: int | None, trim_name: str | None) -> int | None:
    year: int | None = reader.read("year", _model_year)
    if year or registered:
        return year or registered
    model_year = _of_trim_name(trim_name, "year")
    return int(model_year) if model_year is not None else None


def _of_trim_name(trim_name: str | None, part: str) -> str | None:
    found = _TRIM_NAME.match(trim_name[: values.LONGEST_SEARCHED]) if trim_name is not None else None
    return values.name(found[part]) if found else None


def _images(reader: _Reader) -> list[str]:
    said = values.nested(reader.fields.images)
    found = values.urls(said)
    items = said if isinstance(said, list) else [said]
    if len(found) < len(items):
        unread = next((item for item in items if values.url(item) is None and values.is_said(item)), None)
        if unread is not None:
            reader.note("images", "unreadable", unread)
    return found


def _options(said: Any, equipment: Any, shown: list[str]) -> list[str]:
    return values.words(said, equipment, shown) if said or equipment else shown


@values.remembered
def _model_year(value: Any) -> int | None:
    """Return a year, or 0, which is how the source writes that there is none."""
    found = values.whole(value, low=0, high=values.YEARS[1])
    return found if found is None or found == 0 or found >= values.YEARS[0] else None


def _litres(reader: _Reader, profile: PlatformProfile, parameters: dict[str, str]) -> float | None:
    """Return litres: the field, else the parameters; a value above 20 is cubic centimetres."""
    size: float | None = reader.read("displacement", _displacement)
    in_cc = profile.displacement_unit == "cc"
    if size is None:
        in_cc = False
        size = values.real(parameters.get("displacement_l"), low=0, high=MAX_LITRES)
    if size is None:
        size = values.real(parameters.get("displacement_ml"), low=0, high=MAX_LITRES * 1000)
    if size is None:
        return None
    return round(size / 1000 if in_cc or size > MAX_LITRES else size, 2)


@values.remembered
def _displacement(value: Any) -> float | None:
    return values.real(value, low=0, high=MAX_LITRES * 1000)


class _Power(NamedTuple):
    """The car's power, and horsepower of its engines where that is not the same."""

    hp: float | None = None
    kw: float | None = None
    ice: float | None = None
    electric: float | None = None


_NO_POWER: Final = _Power()


def _power(reader: _Reader, profile: PlatformProfile, parameters: dict[str, str]) -> _Power:
    """Return the power; where only one unit is said, or the two contradict each other, it is derived."""
    ice_kw, electric_kw = reader.read("ice_power_kw", _strong), reader.read("electric_power_kw", _strong)
    hybrid_kw = reader.read("hybrid_power_kw", _strong)
    ice = _horses(reader.read("ice_power_ps", _strong), ice_kw)
    electric = _horses(reader.read("electric_power_ps", _strong), electric_kw)
    hp = reader.read(profile.power_field, _strong) or _horses(reader.read("hybrid_power_ps", _strong), hybrid_kw)
    hp = hp or ice or electric or _horses_of(parameters, "engine_power_ps", "system_power_kw")
    hp = hp or _horses_of(parameters, "", "engine_power_kw")
    if hp is None:
        return _NO_POWER
    kw = round(hp * KW_PER_HP, 1)
    for said in (hybrid_kw, ice_kw, electric_kw):
        if said and abs(said - kw) <= max(1.0, SAME_POWER * kw):
            kw = said
            break
    return _Power(hp, kw, ice if ice != hp else None, electric if electric != hp else None)


@values.remembered
def _strong(value: Any) -> float | None:
    """Return a power, or 0, which is how the source writes that there is no such engine."""
    found = values.real(value, low=0, high=MAX_HP)
    return None if found is None else round(found, 1)


def _horses_of(parameters: dict[str, str], ps: str, kw: str) -> float | None:
    return _horses(_strong(parameters.get(ps)), _strong(parameters.get(kw)))


def _horses(ps: float | None, kw: float | None) -> float | None:
    """Return metric horsepower, out of kilowatts where only those are said; None: no such engine, or nothing said."""
    return ps or (round(kw / KW_PER_HP, 1) if kw else None)
