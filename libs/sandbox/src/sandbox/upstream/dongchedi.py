"""Offers as dongchedi has them (UPSTREAMS.md §1.10): `horse_power`, `reg_date`, `extra_prep`, signed pictures."""

from typing import Any

from sandbox.upstream import catalogue, wording
from sandbox.upstream.catalogue import Model
from sandbox.upstream.draws import Draws
from sandbox.upstream.filters import Facts
from sandbox.upstream.keys import Key
from sandbox.upstream.offers import OfferWriter, Sight, emptied
from sandbox.upstream.specs import Spec, by_mark, to_json
from sandbox.upstream.timeline import DAY_S

ENGINES = {
    "gasoline": "Petrol",
    "diesel": "Diesel",
    "electric": "Electric",
    "hybrid": "Hybrid",
    "phev": "PHEV",
    "reev": "EREV",
    "hydrogen": "Hydrogen",
    "mild_hybrid_48": "Hybrid",
    "mild_hybrid_24": "Hybrid",
    "gasoline_cng": "Bi-Fuel",
    "cng": "CNG",
}
BODIES = {
    "suv": "SUV",
    "sedan": "Sedan",
    "hatchback": "Hatchback",
    "minivan": "Minivan",
    "pickup": "Pickup",
    "coupe": "Coupe",
    "microvan": "Microvan",
    "light_truck": "Mini Truck",
    "van": "Light Commercial",
    "mini": "Hatchback",
}
DRIVES = {"FWD": "front-wheel", "RWD": "rear-wheel", "AWD": "all-wheel", "AWD2": "all-wheel"}
"""The words of offers; `/filters` has the keys."""
_EQUIPMENT = ("Heated Seats", "360 Camera", "Autopilot", "Panoramic Roof", "Keyless Entry")
_PREP_KEYS = 340
_IMAGES_LIVE_S = 6 * DAY_S


class DongchediWriter(OfferWriter):
    """Writes offers of dongchedi."""

    def filters(self) -> dict[str, Any]:
        """Return the body of `/filters`: marks, models and their `complectation`."""
        return {
            "mark": by_mark(lambda model: {"complectation": [model.trims]}),
            "transmission_type": [word.english for word in catalogue.TRANSMISSIONS.values()],
            "color": [word.english for word in catalogue.COLORS],
            "body_type": sorted(set(BODIES.values())),
            "engine_type": sorted(set(ENGINES.values())),
            "drive_type": ["FWD", "RWD", "AWD"],
        }

    def data(self, sight: Sight) -> bytes:
        """Return the `data` object of a list."""
        d, spec = self._drawn(sight.key)
        prep = to_json(_prep(spec, d)).decode()
        return to_json(self._fields(sight, d, spec) | {"extra_prep": prep})

    def data_of_added(self, sight: Sight) -> bytes:
        """Return the `data` object of an `added` event, which has no `extra_prep`."""
        d, spec = self._drawn(sight.key)
        return to_json(self._fields(sight, d, spec))

    def with_vin(self, data: bytes, _key: Key) -> bytes:
        """Return `data`: there are no VINs here."""
        return data

    def shell(self, key: Key) -> bytes:
        """Return the offer with all fields empty but its ids."""
        return to_json(emptied(self._fields(Sight(key, None, None), *self._drawn(key))))

    def facts(self, sight: Sight) -> Facts:
        """Return what the filters of `/offers` look at."""
        facts = super().facts(sight)
        model = self._drawn(sight.key)[1].model
        drive = model.drive[:3]
        own = {
            "engine_type": {ENGINES[model.engine]},
            "body_type": {BODIES[model.body]},
            "drive_type": {drive, DRIVES[drive]},
            "complectation": {model.trims},
        }
        words = {name: frozenset(value.casefold() for value in values) for name, values in own.items()}
        return Facts(words=facts.words | words, numbers=facts.numbers)

    def _fields(self, sight: Sight, d: Draws, spec: Spec) -> dict[str, Any]:
        model, inner_id = spec.model, self.inner_id(sight.key)
        city, district = catalogue.ADDRESSES[d.address % len(catalogue.ADDRESSES)]
        trim = "" if d.complectation < self._below["complectation_empty"] else model.trims
        return {
            "id": self._data_id(sight.key, d),
            "inner_id": str(inner_id),
            "url": f"https://www.dongchedi.com/auto/pu-{inner_id}",
            "mark": model.mark,
            "model": "" if d.model < self._below["model_empty"] else model.name,
            "complectation": trim,
            "year": spec.year,
            "color": self._color(d).english,
            "price": self.price(sight),
            "km_age": self._km(d, spec),
            "body_type": BODIES[model.body],
            "engine_type": ENGINES[model.engine],
            "transmission_type": spec.transmission.english,
            "address": f"{city}, {district} District",
            "is_dealer": True,
            "displacement": model.litres,
            "city": city,
            "title": f"{model.mark} {model.name} {spec.year} {trim}".rstrip(),
            "owners_count": d.spare % 4,
            "drive_type": DRIVES[model.drive[:3]],
            "equipment": list(_EQUIPMENT[: d.configuration % (len(_EQUIPMENT) + 1)]),
            "horse_power": model.ps,
            "reg_date": f"{spec.year}-{1 + d.month % 12:02}-{1 + d.registration % 28:02}",
            "section": "Used",
            "seller": f"Salon {d.seller % 900}",
            "seller_type": "DEALER",
            "salon_id": str(20_230_000_000 + d.seller),
            "region": city,
            "description": wording.plain_description(d),
            "images": _images(inner_id, 1 + d.image_count % 6, self.born_s(sight) + _IMAGES_LIVE_S),
        }


def _images(inner_id: int, count: int, expires_s: int) -> list[str]:
    """Return signed addresses, good for six days from the birth of the offer."""
    return [
        f"https://p3.dcarstatic.com/img/msb-pic/{inner_id}_{index:03}.jpg"
        f"?x-expires={expires_s}&x-signature={inner_id * 31 + index:x}"
        for index in range(1, count + 1)
    ]


def _prep(spec: Spec, d: Draws) -> dict[str, Any]:
    """Return the 340 and more parameters of `extra_prep`, values as texts."""
    model: Model = spec.model
    known = {
        "warranty": f"{1 + d.spare % 3} year",
        "inspection": {"level": "A", "points": str(160 + d.spare % 20)},
        "max_power_ps": str(model.ps),
        "market_time": f"{spec.year}-03",
        "energy_form": model.engine,
    }
    return known | {f"param_{number}": str((number * d.spec) % 997) for number in range(_PREP_KEYS + d.spare % 60)}
