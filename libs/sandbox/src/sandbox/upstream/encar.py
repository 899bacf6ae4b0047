"""Offers as encar has them (UPSTREAMS.md §1.10): prices in 10,000 won, displacement in cubic centimetres."""

from typing import Any

from sandbox.upstream import catalogue
from sandbox.upstream.draws import Draws
from sandbox.upstream.filters import Facts
from sandbox.upstream.keys import Key
from sandbox.upstream.offers import OfferWriter, Sight, emptied
from sandbox.upstream.specs import Spec, by_mark, to_json

ENGINES = {
    "gasoline": "Gasoline",
    "diesel": "Diesel",
    "electric": "Electric",
    "hybrid": "Hybrid (Gasoline)",
    "phev": "Hybrid (Gasoline)",
    "reev": "Hybrid (Gasoline)",
    "hydrogen": "Hydrogen",
    "mild_hybrid_48": "Hybrid (Gasoline)",
    "mild_hybrid_24": "Hybrid (Gasoline)",
    "gasoline_cng": "Gasoline + CNG",
    "cng": "CNG",
}
BODIES = {
    "suv": "SUV",
    "sedan": "Sedan",
    "hatchback": "Hatchback",
    "minivan": "Minivan",
    "pickup": "Pickup Truck",
    "coupe": "Coupe/Roadster",
    "microvan": "Microbus",
    "light_truck": "Other",
    "van": "Microbus",
    "mini": "Hatchback",
}
_ADDRESSES = ("Seoul Gangnam-gu", "Busan Gijang-gun", "Incheon Seo-gu", "Gyeonggi Suwon-si", "Daegu Buk-gu")
_TRIMS = ("Smart", "Modern", "Premium", "Prestige")
_OPTIONS = ("001", "005", "010", "017", "033", "059")
_UNITS_PER_1000_YUAN = 19
"""10,000 won for 1,000 yuan."""
_WON = 10_000


class EncarWriter(OfferWriter):
    """Writes offers of encar."""

    def filters(self) -> dict[str, Any]:
        """Return the body of `/filters`: marks, models, their `configuration` and its `complectation`."""
        return {
            "mark": by_mark(lambda model: {"configuration": {_configuration(model): {"complectation": list(_TRIMS)}}}),
            "transmission_type": [word.english for word in catalogue.TRANSMISSIONS.values()],
            "color": [word.english for word in catalogue.COLORS],
            "body_type": sorted(set(BODIES.values())),
            "engine_type": sorted(set(ENGINES.values())),
        }

    def price(self, sight: Sight) -> int:
        """Return the price in units of 10,000 won."""
        return super().price(sight) * _UNITS_PER_1000_YUAN // 1_000

    def changed(self, sight: Sight) -> bytes:
        """Return the `data` of a `changed` event: the price in both units."""
        price = self.price(sight)
        return b'{"new_price":%d,"new_price_won":%d}' % (price, price * _WON)

    def with_vin(self, data: bytes, _key: Key) -> bytes:
        """Return `data`: there are no VINs here."""
        return data

    def data(self, sight: Sight) -> bytes:
        """Return the `data` object."""
        d, spec = self._drawn(sight.key)
        return to_json(self._fields(sight, d, spec))

    def shell(self, key: Key) -> bytes:
        """Return the offer with all fields empty but its ids."""
        return to_json(emptied(self._fields(Sight(key, None, None), *self._drawn(key))))

    def facts(self, sight: Sight) -> Facts:
        """Return what the filters of `/offers` look at."""
        facts = super().facts(sight)
        d, spec = self._drawn(sight.key)
        own = {
            "engine_type": ENGINES[spec.model.engine],
            "body_type": BODIES[spec.model.body],
            "configuration": _configuration(spec.model),
            "complectation": _trim(d),
        }
        words = {name: frozenset({value.casefold()}) for name, value in own.items()}
        return Facts(words=facts.words | words, numbers=facts.numbers | {"price": self.price(sight)})

    def _fields(self, sight: Sight, d: Draws, spec: Spec) -> dict[str, Any]:
        model, inner_id, price = spec.model, self.inner_id(sight.key), self.price(sight)
        return {
            "id": self._data_id(sight.key, d),
            "inner_id": str(inner_id),
            "url": f"http://www.encar.com/dc/dc_cardetailview.do?carid={inner_id}",
            "mark": model.mark,
            "model": "" if d.model < self._below["model_empty"] else model.name,
            "generation": _configuration(model),
            "configuration": _configuration(model),
            "complectation": _trim(d),
            "year": spec.year,
            "color": self._color(d).english,
            "price": price,
            "price_won": str(price * _WON),
            "km_age": self._km(d, spec),
            "engine_type": ENGINES[model.engine],
            "transmission_type": spec.transmission.english,
            "body_type": BODIES[model.body],
            "displacement": round(model.litres * 1_000),
            "power": str(model.ps),
            "address": _ADDRESSES[d.address % len(_ADDRESSES)],
            "seller_type": "DEALER",
            "is_dealer": True,
            "images": [
                f"https://ci.encar.com/carpicture01/pic{inner_id % 10_000}/{inner_id}_{index:03}.jpg"
                for index in range(1, 2 + d.image_count % 6)
            ],
            "options": list(_OPTIONS[: d.spare % (len(_OPTIONS) + 1)]),
            "extra": {
                "diagnosis": {"result": "normal" if d.extra % 2 else "replaced", "center": "Encar"},
                "inspection": {"mileage": self._km(d, spec), "waterlog": "no"},
                "accidents": [{"date": f"{spec.year + 1}-05", "cost": 120_000 + d.second}] * (d.extra % 3),
            },
        }


def _configuration(model: catalogue.Model) -> str:
    """Return fuel, litres and drive, as encar names a configuration."""
    litres = f" {model.litres}" if model.litres else ""
    return f"{ENGINES[model.engine]}{litres}" + (" 4WD" if model.drive.startswith("AWD") else "")


def _trim(d: Draws) -> str:
    return _TRIMS[d.complectation % len(_TRIMS)]
