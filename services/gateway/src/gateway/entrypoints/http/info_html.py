"""The page `/info` as HTML. Everything that came from elsewhere goes through `escape`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from gateway.core.errors import Fault
from gateway.core.info import Info, Item, Loaded, kilometres, make, names, price, title
from gateway.entrypoints.http.info_form import LABELS, fault_list, form

Row = Sequence[tuple[str, str]]
"""A kind of cell, which is its class, and its content as HTML."""

_SKIP: Final = '<a class="skip" href="#products">Skip to the products</a>'
_HEADING: Final = "<header><h1>feedmill: what is loaded</h1>"
_FOOTER: Final = (
    '<footer>For programs: <a href="/docs">the API</a>. For terminals: <code>curl</code> gets text.</footer>'
)
_PRODUCTS: Final = ("Picture", "Name", "Price", "Categories", "Marks", "Main page")
_OFFERS: Final = ("Offer", "Price", "Year", "Mileage", "City", "From")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def body(info: Info, given: Mapping[str, str]) -> str:
    """Return the page's body; `given` are the parameters as they were sent."""
    asked = form(given, categories=names(info.categories), marks=info.marks)
    return (
        f"{_SKIP}{_HEADING}{_summary(info.loaded)}</header><main>"
        f"{_notice('Not available now', map(escape, info.missing))}{asked}"
        f"{_product_section(info, given)}{_offer_section(info, given)}</main>{_FOOTER}"
    )


def fault_body(faults: Sequence[Fault], given: Mapping[str, str]) -> str:
    """Return the body of the page that says what is wrong with the parameters, beside the form to mend them."""
    notice = _notice("Nothing is shown, because a filter is wrong", fault_list(faults))
    return f"{_HEADING}</header><main>{notice}{form(given, faults=faults)}</main>{_FOOTER}"


def picture_origins(info: Info) -> Sequence[str]:
    """Return where the pictures of the page come from, such as `https://shop.example`, for its policy."""
    origins = {_origin(str(product["image_url"])) for product in info.products or () if product["image_url"]}
    return sorted(origin for origin in origins if _ORIGIN.fullmatch(origin))


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna").decode()
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    except ValueError:  # no address that a browser could use
        return ""


def _summary(counts: Iterable[Loaded]) -> str:
    items = [
        f"<li><b>{one.number:,}</b> {escape(one.what)}"
        + (f"<small>updated <time>{one.updated}</time></small>" if one.updated else "")
        + "</li>"
        for one in counts
    ]
    return f'<ul class="loaded">{"".join(items)}</ul>'


def _notice(heading: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'<div class="notice" role="alert"><b>{heading}</b><ul>{items}</ul></div>' if items else ""


def _product_section(info: Info, given: Mapping[str, str]) -> str:
    if info.products is None:
        content = "<p>The products cannot be read now.</p>"
    elif info.products:
        pages = _pages("products", f"Page {info.page} of {info.pages}", _turn(info.page, info.pages), given)
        content = _table("Products", _PRODUCTS, map(_product, info.products)) + pages
    elif info.total:
        last = _link_to(info.pages, given, "products")
        content = f'<p>There is no page {info.page}. <a href="{last}">The last one is {info.pages}.</a></p>'
    else:
        content = "<p>No product meets the filters.</p>" if given else "<p>No products are loaded.</p>"
    found = f" <small>{info.total:,} found</small>" if info.products is not None else ""
    return f'<section id="products" tabindex="-1"><h2>Products{found}</h2>{content}</section>'


def _offer_section(info: Info, given: Mapping[str, str]) -> str:
    page = info.offers_page
    if info.offers is None:
        content = "<p>The offers cannot be read now.</p>"
    elif info.offers or page > 1:
        table = _table("Offers", _OFFERS, map(_offer, info.offers)) if info.offers else "<p>No more offers.</p>"
        turn = (page - 1 if page > 1 else None, page + 1 if info.offers_follow else None)
        content = table + _pages("offers", f"Page {page}", turn, given)
    else:
        content = "<p>No offer meets the filters.</p>" if given else "<p>No offers are loaded.</p>"
    ignored = " and ".join(LABELS[name].lower() for name in info.not_for_offers)
    said = f"<p>Offers have no {ignored}: that filter is for products.</p>" if ignored and info.offers else ""
    return f'<section id="offers" tabindex="-1"><h2>Offers</h2>{said}{content}</section>'


def _product(product: Item) -> Row:
    old = product["old_price"]
    before = f' <del title="price before">{escape(price(old, None))}</del>' if old is not None else ""
    cost = escape(price(product["price"], product["currency"])) + before
    return (
        ("picture", _picture(product["image_url"])),
        ("name", escape(str(product["name"] or f"product {product['product_id']}"))),
        ("price", cost if product["price"] is not None else ""),
        ("words", _words(names(product["categories"]))),
        ("words", _words(names(product["marks"]))),
        ("", "yes" if product["on_main"] else "no"),
    )


def _offer(offer: Item) -> Row:
    kind = f" <small>{escape(make(offer))}</small>" if offer["title"] else ""
    return (
        ("name", _link(offer["url"], title(offer)) + kind),
        ("price", escape(price(offer["price"], offer["currency"]))),
        ("number", escape(str(offer["year"] or ""))),
        ("number", kilometres(offer)),
        ("", escape(str(offer["city"] or ""))),
        ("", escape(str(offer["platform"]))),
    )


def _picture(address: str | None) -> str:
    """Return a picture in a frame that keeps its size; its alt is empty, as the name stands beside it."""
    image = f'<img src="{escape(address)}" alt="" loading="lazy" referrerpolicy="no-referrer">' if address else ""
    return f'<span class="frame">{image}</span>'


def _words(words: Sequence[str]) -> str:
    return " ".join(f"<span>{escape(word)}</span>" for word in words)


def _link(address: str | None, name: str) -> str:
    return f'<a href="{escape(address)}" rel="noreferrer">{escape(name)}</a>' if address else escape(name)


def _table(caption: str, head: Sequence[str], rows: Iterable[Row]) -> str:
    lines: list[str] = []
    kinds: Sequence[str] = ()
    for row in rows:
        kinds = [kind for kind, _ in row]
        cells = zip(head, row, strict=True)
        lines.append(f"<tr>{''.join(_cell(label, kind, content) for label, (kind, content) in cells)}</tr>")
    header = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in zip(head, kinds, strict=True))
    return (
        f'<table><caption class="hidden">{caption}</caption><thead><tr>{header}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _cell(label: str, kind: str, content: str) -> str:
    if kind == "name":
        return f'<th scope="row" class="name">{content}</th>'
    return f'<td class="{kind}" data-label="{label}">{content}</td>'


def _turn(page: int, pages: int) -> tuple[int | None, int | None]:
    return (page - 1 if page > 1 else None, page + 1 if page < pages else None)


def _pages(what: str, here: str, turn: tuple[int | None, int | None], given: Mapping[str, str]) -> str:
    def link(page: int | None, label: str, relation: str) -> str:
        return f'<a rel="{relation}" href="{_link_to(page, given, what)}">{label}</a>' if page else "<span></span>"

    before, after = link(turn[0], "‹ Previous", "prev"), link(turn[1], "Next ›", "next")
    return f'<nav aria-label="Pages of {what}">{before}<span>{here}</span>{after}</nav>'


def _link_to(page: int, given: Mapping[str, str], what: str) -> str:
    name = "page" if what == "products" else "offers_page"
    return escape(f"/info?{urlencode({**given, name: page})}#{what}")
