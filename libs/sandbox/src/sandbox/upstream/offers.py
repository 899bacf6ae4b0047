"""One offer as JSON bytes, made on demand from the seed: nothing of it is kept."""

from functools import lru_cache
from typing import Any, NamedTuple

from sandbox.upstream import catalogue, wording
from sandbox.upstream.draws import Dice, Draws
from sandbox.upstream.filters import Facts
from sandbox.upstream.keys import Key, to_inner_id
from sandbox.upstream.quirks import Quirks, threshold
from sandbox.upstream.specs import Spec, SpecPool, Term, by_mark, to_json
from sandbox.upstream.timeline import DAY_S, day_text

_DATA = (
    b'{"id":%d,"inner_id":"%d","url":"https://www.che168.com/dealer/%d/%d.html","mark":%b,"model":%b,'
    b'"complectation":%b,"configuration":%b,"year":%b,"first_registration":%b,"color":%b,"price":%b,"km_age":%b,'
    b'"engine_type":%b,"transmission_type":%b,"body_type":%b,"drive_type":%b,%b,"address":%b,"seller_type":"dealer",'
    b'"is_dealer":%b,"section":%b,"salon_id":"%d","description":%b,"offer_created":"%b","specid":"%d","images":%b,'
    b'"extra":'
)
_SHELL_FIELDS = (
    *("url", "mark", "model", "complectation", "configuration", "year", "first_registration", "color", "price"),
    *("km_age", "engine_type", "transmission_type", "body_type", "drive_type", "displacement", "power"),
    *("ice_power_ps", "ice_power_kw", "hybrid_power_ps", "hybrid_power_kw", "electric_power_ps", "electric_power_kw"),
    *("address", "seller_type", "is_dealer", "section", "salon_id", "description", "offer_created", "specid"),
    *("images", "extra"),
)
_SHELL = b'{"id":%d,"inner_id":"%d",' + to_json(dict.fromkeys(_SHELL_FIELDS, ""))[1:]
_EMPTY = b'""'
_OFFER_AGE_DAYS = 90
_NO_ENGINE = Term("", (_EMPTY, _EMPTY, _EMPTY, _EMPTY), frozenset())
_UNMAPPED_ENGINE = Term.unmapped(catalogue.UNMAPPED_ENGINE)
_UNMAPPED_COLOR = Term.unmapped(catalogue.UNMAPPED_COLOR)
_COLORS = tuple(Term.of(word) for word in catalogue.COLORS)
_FIRST_ROW_ID = 1_200_000
_VIN_ALPHABET = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"


class Sight(NamedTuple):
    """What there is to know for showing an offer: who it is, its last price event, when it came up (epoch, ms)."""

    key: Key
    price_event: int | None
    born_ms: int | None


class OfferWriter:
    """Writes offers of one seed as che168 has them; other platforms override what differs.

    An offer's data are a function of its key and its last price event alone, so that the list, `added` events and
    the truth agree byte for byte.
    """

    def __init__(self, seed: int, quirks: Quirks, *, start_s: int) -> None:
        self.pool = SpecPool.of(seed, quirks)
        self._dice = Dice(seed)
        self._start_s = start_s
        self._below = {name: threshold(getattr(quirks, name)) for name in Quirks.__slots__}

    def filters(self) -> dict[str, Any]:
        """Return the body of `/filters` (UPSTREAMS.md §1.3)."""
        return {
            "mark": {mark: {"model": list(entry["model"])} for mark, entry in by_mark(lambda _: None).items()},
            "transmission_type": [word.english for word in catalogue.TRANSMISSIONS.values()],
            "color": [word.english for word in catalogue.COLORS],
            "body_type": [word.english for word in catalogue.BODIES.values()],
            "engine_type": [word.english for word in catalogue.ENGINES.values()],
            "drive_type": [word.english for word in catalogue.DRIVES.values()],
        }

    def inner_id(self, key: Key) -> int:
        """Return the offer's `inner_id`."""
        return to_inner_id(key, self._dice.draw(key).jitter)

    def born_s(self, sight: Sight) -> int:
        """Return when the offer came up, in seconds of the epoch; before the history it is a matter of chance."""
        if sight.born_ms is not None:
            return sight.born_ms // 1000
        return self._born_by_chance_s(self._dice.draw(sight.key))

    def _born_by_chance_s(self, draws: Draws) -> int:
        return self._start_s - (1 + draws.age % _OFFER_AGE_DAYS) * DAY_S + draws.second

    def price(self, sight: Sight) -> int:
        """Return the price in whole yuan after the last price event; 0 is possible before the first."""
        draws = self._dice.draw(sight.key)
        return self._price(draws, self._spec(draws), sight.price_event)

    def shell(self, key: Key) -> bytes:
        """Return the offer with all fields empty but its ids."""
        draws = self._dice.draw(key)
        return _SHELL % (self._data_id(key, draws), to_inner_id(key, draws.jitter))

    def with_vin(self, data: bytes, key: Key) -> bytes:
        """Return `data` with the `vin` that only `/offer` shows, where the quirk says so."""
        draws = self._dice.draw(key)
        if draws.spare >= self._below["offer_with_vin"]:
            return data
        return data[:-1] + b',"vin":"%b"}' % _vin(draws)

    def wraps(self, key: Key) -> bool:
        """Tell whether `/offer` answers `{inner_id, data}` for this offer."""
        return self._dice.draw(key).spare % 1000 * 65 < self._below["offer_wrapped"]

    def row_id(self, key: Key) -> int:
        """Return the outer `id` of the offer's row, which is not its event id."""
        return _FIRST_ROW_ID + key.number * 2 + (1 if key.family else 0)

    def data(self, sight: Sight) -> bytes:
        """Return the `data` object."""
        key = sight.key
        d = self._dice.draw(key)
        spec = self._spec(d)
        below = self._below
        inner_id = to_inner_id(key, d.jitter)
        salon = 100_000 + d.seller * 11
        way = (2 if d.language < below["enum_russian"] else 0) + (d.case < below["enum_lower_case"])
        strings = d.numbers < below["numbers_as_strings"]
        price = self._price(d, spec, sight.price_event)
        head = _DATA % (
            self._data_id(key, d),
            inner_id,
            salon,
            inner_id,
            spec.mark,
            self._model(d, spec),
            self._complectation(d, spec),
            _EMPTY if d.configuration < below["configuration_absent"] else spec.trim,
            self._year(d, spec, strings=strings),
            self._registration(d, spec),
            self._color(d).shown[way],
            b'"%d"' % price if strings and sight.price_event is None else b"%d" % price,
            _number(self._km(d, spec), strings=strings),
            self._engine(d, spec).shown[way],
            spec.transmission.shown[way],
            spec.body.shown[way],
            spec.drive.shown[way],
            spec.power[strings],
            self._address(d),
            b'"true"' if d.dealer < below["is_dealer_as_string"] else b"true",
            wording.SECTIONS[way // 2],
            salon,
            wording.description(d, is_hostile=d.description < below["hostile_text"]),
            day_text((self._born_by_chance_s(d) if sight.born_ms is None else sight.born_ms // 1000) // DAY_S),
            spec.specid + (1 if d.specid < below["specid_mismatch"] else 0),
            self._images(d),
        )
        return b"".join((head, self._extra(d, spec), b"}"))

    def data_of_added(self, sight: Sight) -> bytes:
        """Return the `data` object of an `added` event."""
        return self.data(sight)

    def changed(self, sight: Sight) -> bytes:
        """Return the `data` object of a `changed` event."""
        return b'{"new_price":%d}' % self.price(sight)

    def _drawn(self, key: Key) -> tuple[Draws, Spec]:
        draws = self._dice.draw(key)
        return draws, self._spec(draws)

    def facts(self, sight: Sight) -> Facts:
        """Return what the filters of `/offers` look at."""
        d = self._dice.draw(sight.key)
        spec = self._spec(d)
        is_nameless = d.model < self._below["model_empty"]
        return Facts(
            words={
                "mark": spec.found_by["mark"],
                "model": frozenset() if is_nameless else spec.found_by["model"],
                "transmission_type": spec.transmission.found_by,
                "color": self._color(d).found_by,
                "body_type": spec.body.found_by,
                "engine_type": self._engine(d, spec).found_by,
            },
            numbers={
                "year": spec.year,
                "km_age": self._km(d, spec),
                "price": self._price(d, spec, sight.price_event),
            },
        )

    def _spec(self, d: Draws) -> Spec:
        pool = self.pool.usual
        if d.special < self._below["mark_chinese"]:
            pool = self.pool.chinese_mark
        elif 65535 - d.special < self._below["commercial"]:
            pool = self.pool.commercial
        return pool[d.spec % len(pool)]

    def _data_id(self, key: Key, d: Draws) -> int:
        row_id = self.row_id(key)
        return row_id - 800_000 if d.data_id < self._below["data_id_differs"] else row_id

    def _price(self, d: Draws, spec: Spec, price_event: int | None) -> int:
        asked = max(1_000, spec.resale * (85_000 + d.price // 2) // 10_000_000 * 100)
        if price_event is not None:
            return max(900, asked * (80 + price_event * 7 % 37) // 10_000 * 100)
        return 0 if d.price_quirk < self._below["price_zero"] else asked

    def _km(self, d: Draws, spec: Spec) -> int:
        if d.km_quirk < self._below["km_zero"]:
            return 0
        return 100 + d.km * (2028 - spec.year) // 300 * 100

    def _model(self, d: Draws, spec: Spec) -> bytes:
        below = self._below
        if d.model < below["model_empty"]:
            return _EMPTY
        rest = 65535 - d.model
        if rest < below["model_with_mark"]:
            return spec.names[1]
        return spec.names[2 if rest < below["model_with_mark"] + below["model_chinese"] else 0]

    def _complectation(self, d: Draws, spec: Spec) -> bytes:
        if d.complectation < self._below["complectation_empty"]:
            return _EMPTY
        return spec.full_name if 65535 - d.complectation < self._below["complectation_full_name"] else spec.trim

    def _year(self, d: Draws, spec: Spec, *, strings: bool) -> bytes:
        if d.year < self._below["year_zero"]:
            return _number(0, strings=strings)
        return _EMPTY if 65535 - d.year < self._below["year_empty"] else _number(spec.year, strings=strings)

    def _registration(self, d: Draws, spec: Spec) -> bytes:
        if d.registration < self._below["never_registered"]:
            return wording.NEVER_REGISTERED
        if 65535 - d.registration < self._below["registration_empty"]:
            return _EMPTY
        return b'"%d-%02d"' % (spec.year, 1 + d.month % 12)

    def _color(self, d: Draws) -> Term:
        return _UNMAPPED_COLOR if d.unmapped < self._below["enum_unmapped"] else _COLORS[d.color % len(_COLORS)]

    def _engine(self, d: Draws, spec: Spec) -> Term:
        if d.engine < self._below["engine_type_missing"]:
            return _NO_ENGINE
        return _UNMAPPED_ENGINE if 65535 - d.unmapped < self._below["enum_unmapped"] else spec.engine

    def _address(self, d: Draws) -> bytes:
        full, city_only = wording.ADDRESSES[d.address % len(wording.ADDRESSES)]
        return city_only if d.district < self._below["district_empty"] else full

    def _images(self, d: Draws) -> bytes:
        below = self._below
        if d.images < below["images_empty"]:
            return _EMPTY
        rest = 65535 - d.images
        if rest < below["images_one_url"]:
            return wording.images(d, 1, "url")
        count = 2 + d.image_count % 5
        return wording.images(d, count, "string" if rest < below["images_as_json_string"] else "array")

    def _extra(self, d: Draws, spec: Spec) -> bytes:
        has_phone = 65535 - d.extra < self._below["phone_in_inspection"]
        if d.extra < self._below["extra_as_json_string"]:
            return wording.extra_in_string(spec.table_in_string, d, has_phone=has_phone)
        return wording.extra_object(spec.table, d, has_phone=has_phone)


def emptied(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an offer, all empty but its ids."""
    return {name: value if name in {"id", "inner_id"} else "" for name, value in fields.items()}


def _number(value: int, *, strings: bool) -> bytes:
    return b'"%d"' % value if strings else b"%d" % value


@lru_cache(maxsize=256)
def _vin(draws: Draws) -> bytes:
    """Return a made-up VIN of 17 characters."""
    return ("L" + "".join(_VIN_ALPHABET[n % len(_VIN_ALPHABET)] for n in draws[:16])).encode()
