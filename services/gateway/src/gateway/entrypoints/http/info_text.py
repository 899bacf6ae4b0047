"""The page `/info` as plain text, for `curl` and other terminals: 80 columns, and no address is broken."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from unicodedata import category, combining, east_asian_width
from urllib.parse import urlencode

from gateway.core.info import Info, Item, kilometres, make, names, price, title

WIDTH: Final = 80
_ID: Final = 10
_INDENT: Final = " " * (_ID + 2)
_LONGEST: Final = 2000
"""Characters that are shown of a name, or of what stands below it: 30 lines. A shop bounds neither."""
_CANNOT: Final = "cannot be read now"
_WORDLESS: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def text(info: Info, given: Mapping[str, str]) -> str:
    """Return the page; what came from elsewhere cannot move a terminal's cursor. `given` is as for the other form."""
    lines = ["feedmill: what is loaded", ""]
    lines += [f"{one.number:>{_ID},}  {one.what:<30}  {one.updated}".rstrip() for one in info.loaded]
    lines += [f"not available now: {', '.join(info.missing)}"] if info.missing else []
    found = f"{info.total:,} found, page {info.page} of {info.pages}"
    lines += ["", f"PRODUCTS: {_CANNOT if info.products is None else found}", ""]
    for product in info.products or ():
        lines += _product(product)
    if info.page < info.pages:
        lines += ["", f"next: {_address(given, page=info.page + 1)}"]
    lines += ["", f"OFFERS: {_CANNOT if info.offers is None else f'page {info.offers_page}'}", ""]
    if info.not_for_offers and info.offers:
        lines += [f"offers have no {' or '.join(info.not_for_offers)}: shown as if that was not asked", ""]
    for offer in info.offers or ():
        lines += _offer(offer)
    if info.offers_follow:
        lines += ["", f"next: {_address(given, offers_page=info.offers_page + 1)}"]
    return "".join(f"{line}\n" for line in lines)


def _product(product: Item) -> Iterator[str]:
    yield from _entry(
        str(product["product_id"]), str(product["name"] or ""), price(product["price"], product["currency"])
    )
    details = (
        ("price before", price(product["old_price"], None)),
        ("categories", "; ".join(names(product["categories"]))),
        ("marks", "; ".join(names(product["marks"]))),
        ("main page", "yes" if product["on_main"] else "no"),
    )
    for name, value in details:
        yield from _below(f"{name}: {value}") if value else ()
    if product["image_url"]:
        yield f"{_INDENT}{_plain(product['image_url'])}"


def _offer(offer: Item) -> Iterator[str]:
    yield from _entry(str(offer["inner_id"]), title(offer), price(offer["price"], offer["currency"]))
    kind = make(offer) if offer["title"] else ""
    facts = (kind, str(offer["year"] or ""), kilometres(offer), str(offer["city"] or ""), str(offer["platform"]))
    yield from _below(", ".join(filter(None, facts)))


def _entry(identity: str, name: str, cost: str) -> Iterator[str]:
    """Yield a line with the price at its end; what does not fit of the name stands below."""
    shown, cost = _plain(identity), _plain(cost)
    first, *others = list(_wrapped(_plain(name[:_LONGEST]), WIDTH - len(_INDENT) - len(cost) - 2)) or [""]
    start = f"{shown:>{_ID}}  {first}"
    yield (f"{start}{' ' * max(2, WIDTH - _columns(start) - len(cost))}{cost}").rstrip()
    yield from (_INDENT + line for line in others)


def _below(details: str) -> Iterator[str]:
    return (_INDENT + line for line in _wrapped(_plain(details[:_LONGEST]), WIDTH - len(_INDENT)))


def _wrapped(words: str, width: int) -> Iterator[str]:
    """Yield the words in lines of at most so many columns; a word that is longer is cut."""
    line, used = "", 0
    for word in _cut(words.split(), width):
        columns = _columns(word)
        if line and used + 1 + columns > width:
            yield line
            line, used = word, columns
        else:
            line, used = (f"{line} {word}", used + 1 + columns) if line else (word, columns)
    if line:
        yield line


def _cut(words: Iterable[str], width: int) -> Iterator[str]:
    for word in words:
        begin = used = 0
        for place, character in enumerate(word):
            columns = _columns(character)
            if used + columns > width:
                yield word[begin:place]
                begin, used = place, 0
            used += columns
        yield word[begin:]


def _columns(line: str) -> int:
    """Return how many columns a terminal takes for the line: Chinese characters take two, accents none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in {"W", "F"} else 1 for c in line)


def _address(given: Mapping[str, str], **page: int) -> str:
    return f"/info?{urlencode({**given, **page})}"


def _plain(line: str) -> str:
    return "".join(" " if category(character) in _WORDLESS else character for character in line)
