"""From the raw JSON of an offer to its typed record.

Pure; never raises on odd values: what cannot be read is None and is named in the warnings, and a word that no
vocabulary knows is kept as it came and named as drift.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from normalizer.core.merge import join, split
from normalizer.core.offers import configuration, values, vocabulary
from normalizer.core.offers.record import Offer, PlatformProfile

MAX_PRICE: Final = 9e11
MAX_KM: Final = 10_000_000
MAX_HP: Final = 10_000
MAX_LITRES: Final = 20
KW_PER_HP: Final = 0.73549875
"""Metric horsepower, DIN 66036."""

_PLAIN: Final = tuple(
    "mark model title complectation year color km_age engine_type transmission_type body_type drive_type displacement "  # noqa: SIM905 - a list of 30 quoted names reads worse
    "ice_power_ps ice_power_kw electric_power_ps electric_power_kw address city seller_type is_dealer salon_id section "
    "description url offer_created vin specid images".split()
)
_RAW: Final = ("configuration", "extra")
_MODEL_YEAR: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)款")
_LITRES: Final = re.compile(r"(\d\.\d)\s*[TL]")


def normalise(data: bytes, profile: PlatformProfile) -> tuple[Offer, list[str]]:
    """Return the typed record and what was odd, as `field:reason`.

    Args:
        data: A JSON object.
        profile: What the platform's fields mean.

    Raises:
        msgspec.DecodeError: `data` is no JSON object; the caller lets no such row through.
    """
    fields, odd = _fields(data, profile)
    reader = _Reader(fields, odd)
    extra = _Extra.of(bytes(fields.extra))
    configured = bytes(fields.configuration)
    specid = values.text(fields.specid)
    # The top-level field is often only the trim, so the table in `extra` comes first.
    parameters = configuration.parameters(bytes(extra.configuration), specid=specid)
    parameters = parameters or configuration.parameters(configured, specid=specid)
    registration = reader.read(profile.registration_field, values.day)
    power_hp, power_kw = _power(fields, profile, parameters)
    address = reader.text("address")
    offer = Offer(
        mark=reader.read("mark", values.name),
        model=reader.read("model", values.name),
        title=reader.text("title"),
        complectation=reader.text("complectation") or _trim(configured),
        year=_year(reader, registration.year if registration else None, parameters),
        first_registration=registration,
        color=reader.code("color"),
        price=_price(reader, profile),
        currency=profile.currency,
        km_age=reader.read("km_age", lambda value: values.whole(value, low=0, high=MAX_KM)),
        engine_type=reader.code("engine_type"),
        transmission_type=reader.code("transmission_type"),
        body_type=reader.code("body_type"),
        drive_type=reader.code("drive_type"),
        displacement_l=_litres(reader, profile, parameters),
        power_hp=power_hp,
        power_kw=power_kw,
        address=address,
        province=None,
        city=values.text(fields.city) or _city(address),
        seller_type=reader.code("seller_type"),
        is_dealer=values.boolean(fields.is_dealer),
        salon_id=values.text(fields.salon_id),
        section=reader.text("section"),
        description=reader.text("description"),
        url=reader.read("url", values.url),
        offer_created=reader.read("offer_created", values.day),
        vin=values.text(fields.vin),
        specid=specid,
        images=values.urls(fields.images),
        options=extra.options,
        parameters=parameters,
    )
    return offer, reader.odd


class _Reader:
    """Reads fields and remembers what could not be read."""

    def __init__(self, fields: Any, odd: list[str]) -> None:
        self._fields = fields
        self.odd = odd

    def read(self, name: str, how: Callable[[Any], Any]) -> Any:
        value = getattr(self._fields, name)
        found = how(value)
        if found is None and value is not None and values.text(value) is not None:
            self.odd.append(f"{name}:unreadable")
        return found

    def text(self, name: str) -> str | None:
        return values.text(getattr(self._fields, name))

    def code(self, name: str) -> str | None:
        word = self.text(name)
        if word is None:
            return None
        found, known = vocabulary.code(name, word)
        if not known:
            self.odd.append(f"{name}:unmapped")
        return found


class _Extra(msgspec.Struct, gc=False):
    configuration: msgspec.Raw = msgspec.Raw(b"null")
    option: Any = None

    @classmethod
    def of(cls, body: bytes) -> "_Extra":
        """Read `extra`, an object or a JSON string with one; anything else says nothing."""
        try:
            if body[:1] == b'"':
                body = msgspec.json.decode(body, type=str).encode()
            return msgspec.json.decode(body, type=cls) if body.lstrip()[:1] == b"{" else cls()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return cls()

    @property
    def options(self) -> list[str]:
        return list(dict.fromkeys(_option_names(self.option)))


def _option_names(option: Any) -> Iterator[str]:
    if not isinstance(option, dict):
        return
    shown = option.get("displayopts")
    groups = option.get("moreoptions")
    items = list(shown) if isinstance(shown, list) else []
    for group in groups if isinstance(groups, list) else []:
        found = group.get("opts") if isinstance(group, dict) else None
        items += found if isinstance(found, list) else []
    for item in items:
        name = values.text(item.get("optionname")) if isinstance(item, dict) else None
        if name is not None:
            yield name


@lru_cache(maxsize=64)
def _decoder_for(names: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    plain: list[tuple[str, Any, Any]] = [(name, Any, None) for name in dict.fromkeys([*_PLAIN, *names])]
    raw: list[tuple[str, Any, Any]] = [(name, msgspec.Raw, msgspec.Raw(b"null")) for name in _RAW]
    return msgspec.json.Decoder(msgspec.defstruct("Fields", plain + raw, gc=False))


def _decoder(profile: PlatformProfile) -> msgspec.json.Decoder[Any]:
    return _decoder_for((profile.price_field, profile.power_field, profile.registration_field))


def _fields(data: bytes, profile: PlatformProfile) -> tuple[Any, list[str]]:
    """Decode the known fields; those that Python cannot hold, such as `1e400` or 5,000 digits, are left out as odd."""
    decoder = _decoder(profile)
    try:
        return decoder.decode(data), []
    except (msgspec.ValidationError, RecursionError):
        found = {name: value for name, value in split(data).items() if name in decoder.type.__struct_fields__}
        readable = {name: value for name, value in found.items() if name in _RAW or _is_readable(value)}
        return decoder.decode(join(readable)), [f"{name}:unreadable" for name in found if name not in readable]


def _is_readable(value: bytes) -> bool:
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _trim(configured: bytes) -> str | None:
    """Return the top-level `configuration` where it is a plain trim such as `"125i"`."""
    if configured[:1] != b'"':
        return None
    try:
        found = values.text(msgspec.json.decode(configured, type=str))
    except (msgspec.DecodeError, UnicodeError):
        return None
    return found if found is not None and not found.startswith("{") else None


def _price(reader: _Reader, profile: PlatformProfile) -> float | None:
    bound = MAX_PRICE / profile.price_multiplier
    price: float | None = reader.read(profile.price_field, lambda value: values.real(value, low=0, high=bound))
    return None if price is None else round(price * profile.price_multiplier, 2)


def _year(reader: _Reader, registered: int | None, parameters: dict[str, str]) -> int | None:
    year: int | None = reader.read("year", lambda value: values.whole(value, low=values.YEARS[0], high=values.YEARS[1]))
    if year is not None or registered is not None:
        return year or registered
    found = _MODEL_YEAR.search(parameters.get("trim_name", ""))
    return int(found[1]) if found else None


def _litres(reader: _Reader, profile: PlatformProfile, parameters: dict[str, str]) -> float | None:
    """Return litres: the field, else the configuration; a value above 20 is cubic centimetres."""
    size: float | None = reader.read("displacement", lambda value: values.real(value, low=0, high=MAX_LITRES * 1000))
    if size is None:
        size = values.real(parameters.get("displacement_l"), low=0, high=MAX_LITRES)
    if size is None:
        size = values.real(parameters.get("displacement_ml"), low=0, high=MAX_LITRES * 1000)
    if size is None:
        found = _LITRES.match(parameters.get("engine", ""))
        size = float(found[1]) if found else None
    if size is None:
        return None
    in_cc = size > MAX_LITRES or (profile.displacement_unit == "cc" and size > 0)
    return round(size / 1000 if in_cc else size, 2)


def _power(fields: Any, profile: PlatformProfile, parameters: dict[str, str]) -> tuple[float | None, float | None]:
    """Return horsepower and kilowatts; each is derived from the other where only one is said."""

    def said(*candidates: Any) -> float | None:
        found = (values.real(value, low=0.1, high=MAX_HP) for value in candidates)
        return next((value for value in found if value is not None), None)

    hp = said(getattr(fields, profile.power_field), fields.ice_power_ps, parameters.get("engine_power_ps"))
    kw = said(fields.ice_power_kw, parameters.get("system_power_kw"), parameters.get("engine_power_kw"))
    if hp is None:
        hp = said(fields.electric_power_ps)
        kw = kw if kw is not None else said(fields.electric_power_kw)
    if hp is None and kw is not None:
        return round(kw / KW_PER_HP, 1), round(kw, 1)
    if hp is not None and kw is None:
        return round(hp, 1), round(hp * KW_PER_HP, 1)
    return hp, kw


def _city(address: str | None) -> str | None:
    return values.text(address.replace("，", ",").partition(",")[0]) if address else None
