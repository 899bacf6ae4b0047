"""Where an offer is: province, city and district out of an address in any of four languages.

Cities and provinces of the gazetteer get their English name; what it does not know is kept as it came.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from normalizer.core.offers import gazetteer, palladius, values

_PARTS: Final = re.compile(r"[,，、;；|/·]+")
_WORD: Final = re.compile(r"[\W_]+")
_RANK: Final = re.compile(r"(?:市|省|(?:[^\s市省]{0,6}?)自治[区州]|特别行政区|地区|盟|시|특별시|광역시)")
_RANK_WORDS: Final = re.compile(r"\s+(?:city|province|prefecture|municipality|г\.?|город|провинция)$", re.IGNORECASE)
_KOREAN_CITY: Final = re.compile(r"(.{2,}?)(?:-si|시)|.+(?:-gun|군)")
_COUNTRIES: Final = frozenset(
    {"china", "中国", "китай", "prc", "korea", "southkorea", "republicofkorea", "корея", "대한민국", "한국"}
)
_LONGEST_CHINESE: Final = 6
"""Characters of a name in the gazetteer, at most."""
_LONGEST: Final = 200
"""Characters of an address that is looked into."""


class Place(NamedTuple):
    """A place; None is 'not said'. `unknown` is a name that the gazetteer lacks, or what is too long for a place."""

    province: str | None = None
    city: str | None = None
    district: str | None = None
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class _Gazetteer:
    """Folded name → the English name of a province; folded name → provinces and English names of its cities."""

    provinces: dict[str, str] = field(default_factory=dict)
    cities: dict[str, dict[str, str]] = field(default_factory=dict)
    open_provinces: set[str] = field(default_factory=set)

    def city(self, name: str, province: str | None) -> tuple[str | None, str] | None:
        """Return province and city; a name that cities of several provinces share leaves the province open."""
        found = self.cities.get(_folded(name))
        if not found:
            return None
        if province is not None:
            return (province, found[province]) if province in found else None
        return (None if len(found) > 1 else next(iter(found)), next(iter(found.values())))

    def province(self, name: str) -> str | None:
        """Return the English name of a province."""
        return self.provinces.get(_folded(name))

    def knows(self, name: str) -> bool:
        """Return whether it is a province or a city."""
        folded = _folded(name)
        return folded in self.provinces or folded in self.cities


def place(address: str | None, city: str | None = None, region: str | None = None) -> Place:
    """Return where an offer is.

    Args:
        address: `Shanghai, Minhang`, `西安, `, `山东省济南市历下区`, `Busan Gijang-gun`, …
        city: A field of its own for the city; it wins over the address.
        region: A field of its own that may name the province.
    """
    if len(address or "") + len(city or "") + len(region or "") > _LONGEST:
        return Place(unknown=city or address or region)
    return _place(address, city, region)


@lru_cache(maxsize=4096)
def _place(address: str | None, city: str | None, region: str | None) -> Place:
    found = _read(_parts(address))
    named = _read(_parts(city))
    if named.city is not None and named.city != found.city:
        found = named._replace(district=named.district or found.district)
    province = _read(_parts(region)).province if found.province is None else None
    return found if province is None else found._replace(province=province)


def _parts(address: str | None) -> list[str | None]:
    """Cut an address into its parts without its country; None for a part that says nothing."""
    pieces = [values.text(piece) for piece in _PARTS.split(address or "")]
    said = [piece for piece in pieces if piece is None or _folded(piece) not in _COUNTRIES]
    while said and said[-1] is None:
        said.pop()
    return said


def _read(parts: Sequence[str | None]) -> Place:
    """Read from the outside in: a province, or a city, and then what lies in it."""
    said = [part for part in parts if part is not None]
    if not said or parts[0] is None:
        return Place(district=_first(said))
    known = _gazetteer()
    first, rest = _cut(said[0])
    inner = [*rest, *said[1:]]
    province = known.province(first)
    if province is not None and (known.city(first, None) is None or _begins_with_city_of(province, inner)):
        return _inside(province, inner)
    city = known.city(first, None)
    if city is None:
        turned = inner and known.knows(inner[0])
        return _read(inner)._replace(district=first) if turned else Place(None, first, _first(inner), first)
    outer = known.province(inner[0]) if inner else None
    exact = known.city(first, outer) if outer is not None else None
    return Place(*exact, _first(inner[1:])) if exact is not None else Place(*city, _first(inner))


def _begins_with_city_of(province: str, inner: Sequence[str]) -> bool:
    return bool(inner) and _gazetteer().city(_cut(inner[0])[0], province) is not None


def _inside(province: str, inner: Sequence[str]) -> Place:
    if not inner:
        return Place(province)
    first, rest = _cut(inner[0])
    city = _gazetteer().city(first, province)
    if city is not None:
        return Place(province, city[1], _first([*rest, *inner[1:]]))
    if province in _gazetteer().open_provinces:
        first, *rest = inner[0].split(maxsplit=1)
        if (korean := _KOREAN_CITY.fullmatch(first)) is not None:
            return Place(province, korean[1] or first, _first([*rest, *inner[1:]]))
    return Place(province, first, _first([*rest, *inner[1:]]), first)


def _first(parts: Sequence[str]) -> str | None:
    return parts[0] if parts else None


def _cut(text: str) -> tuple[str, list[str]]:
    """Cut what the gazetteer knows off the front of a part that is written in one: `山东济南`, `Busan Gijang-gun`."""
    known = _gazetteer()
    text = _RANK_WORDS.sub("", text)
    if known.knows(text):
        return text, []
    for end in range(min(len(text), _LONGEST_CHINESE), 1, -1):
        if text[end - 1] > "\u2fff" and known.knows(text[:end]):
            rank = _RANK.match(text, end)
            rest = text[rank.end() if rank else end :].strip()
            return text[:end], [rest] if rest else []
    words = text.split()
    for count in (2, 1):
        name = " ".join(words[:count])
        if len(words) > count and known.knows(name):
            return name, [" ".join(words[count:])]
    return text, []


def _folded(name: str) -> str:
    return _WORD.sub("", name).casefold().replace("ъ", "")


@lru_cache(maxsize=1)
def _gazetteer() -> _Gazetteer:
    """Read the data at the first address; it takes some milliseconds."""
    known = _Gazetteer()
    for line in filter(None, gazetteer.CHINA.splitlines()):
        head, _, cities = line.partition(": ")
        province, names = _chinese(head)
        known.provinces.update({name: province for name in names if name not in known.provinces})
        for entry in cities.split(", ") if cities else [head]:
            city, names = _chinese(entry)
            for name in names:
                known.cities.setdefault(name, {})[province] = city
    for line in filter(None, gazetteer.KOREA.splitlines()):
        head, open_mark, _ = line.partition(": *")
        names = [name for group in re.split(r" (?=[^\x00-\x7f])", head) for name in group.split("/")]
        known.provinces.update({_folded(name): names[0] for name in names})
        if open_mark:
            known.open_provinces.add(names[0])
        else:
            known.cities.update({_folded(name): {names[0]: names[0]} for name in names})
    for name, chinese in gazetteer.OTHER_NAMES.items():
        if chinese in known.provinces:
            known.provinces[_folded(name)] = known.provinces[chinese]
        if chinese in known.cities:
            known.cities[_folded(name)] = known.cities[chinese]
    return known


def _chinese(entry: str) -> tuple[str, list[str]]:
    """Return the English name of an entry, and every name of it, folded."""
    spelling, _, english = entry.partition("=")
    chinese, *syllables = spelling.split()
    pinyin = syllables[0] + "".join(f"'{s}" if s[0] in "aeo" else s for s in syllables[1:])
    said = [*filter(None, english.split("/")), pinyin.capitalize()]
    forms = [chinese, *said, pinyin.replace("ü", "v"), pinyin.replace("ü", "u"), palladius.cyrillic(syllables)]
    return said[0], list(dict.fromkeys(_folded(form) for form in forms))
