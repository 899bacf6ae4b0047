"""The page `/info` as HTML. Everything that came from elsewhere goes through `escape`."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final
from urllib.parse import urlencode

from gateway.core.errors import Fault
from gateway.core.info import Info, Item, kilometres, names, price, title

_FIELDS: Final = (
    ("name", "Name", "search"),
    ("category", "Category", "text"),
    ("mark", "Mark", "text"),
    ("price_from", "Price from", "text"),
    ("price_to", "Price to", "text"),
)
_CHOICES: Final = (
    ("on_main", "On the main page", (("", "any"), ("true", "yes"), ("false", "no"))),
    (
        "sort",
        "Order",
        (("newest", "newest"), ("name", "name"), ("-name", "name, Z to A"), ("price", "price"), ("-price", "dearest")),
    ),
)


def body(info: Info, given: Mapping[str, str]) -> str:
    """Return the page's body; `given` are the parameters as they were sent."""
    parts = [
        _head(info.counts, info.total, len(info.categories)),
        _notice("Not available now", info.missing),
        _form(given, info.categories),
        f"<h2>Products</h2>{_products(info.products)}{_pages(info, given)}",
        f"<h2>Newest offers</h2>{_offers(info.offers)}",
        _FOOTER,
    ]
    return f"<main>{''.join(parts)}</main>"


def fault_body(faults: Sequence[Fault], given: Mapping[str, str]) -> str:
    """Return the body of the page that says what is wrong with the parameters, beside the form to mend them."""
    said = [f"{fault.name}: {fault.reason}" for fault in faults]
    return f"<main><h1>feedmill</h1>{_notice('Wrong filter', said)}{_form(given, ())}{_FOOTER}</main>"


_FOOTER: Final = '<footer>The same for programs: <a href="/docs">/docs</a></footer>'


def _head(counts: Mapping[str, int], products: int, categories: int) -> str:
    items = [f"<li><b>{count:,}</b> offers of {escape(platform)}</li>" for platform, count in counts.items()]
    items += [f"<li><b>{products:,}</b> products found</li>", f"<li><b>{categories:,}</b> categories</li>"]
    return f'<h1>feedmill: what is loaded</h1><ul class="counts">{"".join(items)}</ul>'


def _notice(heading: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div class="faults" role="alert"><b>{heading}</b><ul>{items}</ul></div>' if items else ""


def _form(given: Mapping[str, str], categories: Iterable[Item]) -> str:
    inputs = [
        f'<label>{label}<input type="{kind}" name="{name}" value="{escape(given.get(name, ""))}" maxlength="100"'
        f"{_LISTED if name == 'category' else ''}></label>"
        for name, label, kind in _FIELDS
    ]
    inputs += [
        f'<label>{label}<select name="{name}">{_options(choices, given.get(name, ""))}</select></label>'
        for name, label, choices in _CHOICES
    ]
    known = sorted({str(category["name"]) for category in categories if category["name"]})
    listed = "".join(f'<option value="{escape(name)}"></option>' for name in known)
    rest = (
        f'<datalist id="categories">{listed}</datalist><button type="submit">Filter</button><a href="/info">Clear</a>'
    )
    return f'<form method="get" action="/info">{"".join(inputs)}{rest}</form>'


_LISTED: Final = ' list="categories"'


def _options(choices: Iterable[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{label}</option>' for value, label in choices
    )


def _products(products: Sequence[Item]) -> str:
    rows = []
    for product in products:
        link = f"/products/{product['product_id']}"
        old = f"<del>{escape(price(product['old_price'], None))}</del>" if product["old_price"] is not None else ""
        rows.append(
            (
                ("", _picture(product["image_url"], str(product["name"] or "")), ""),
                ("Name", escape(str(product["name"] or link)), ""),
                ("Price", old + escape(price(product["price"], product["currency"])), "number"),
                ("Categories", escape(names(product["categories"])), ""),
                ("Marks", escape(names(product["marks"])), ""),
                ("Main page", "yes" if product["on_main"] else "", ""),
            )
        )
    return _table(
        ("Picture", "Name", "Price", "Categories", "Marks", "Main page"), rows, "No product meets the filters."
    )


def _offers(offers: Sequence[Item]) -> str:
    rows = [
        (
            ("", _link(offer["url"], title(offer) or str(offer["inner_id"])), ""),
            ("Year", escape(str(offer["year"] or "")), ""),
            ("Price", escape(price(offer["price"], offer["currency"])), "number"),
            ("Mileage", kilometres(offer), "number"),
            ("City", escape(str(offer["city"] or "")), ""),
            ("From", escape(str(offer["platform"])), ""),
        )
        for offer in offers
    ]
    return _table(("Offer", "Year", "Price", "Mileage", "City", "From"), rows, "No offer meets the filters.")


def _picture(address: str | None, name: str) -> str:
    if not address:
        return ""
    return f'<img src="{escape(address)}" alt="{escape(name)}" loading="lazy" referrerpolicy="no-referrer">'


def _link(address: str | None, name: str) -> str:
    return f'<a href="{escape(address)}" rel="noreferrer">{escape(name)}</a>' if address else escape(name)


def _table(head: Iterable[str], rows: Sequence[Sequence[tuple[str, str, str]]], nothing: str) -> str:
    if not rows:
        return f"<p>{nothing}</p>"
    lines = "".join(f"<tr>{''.join(_cell(*cell) for cell in row)}</tr>" for row in rows)
    header = "".join(f'<th scope="col">{name}</th>' for name in head)
    return f"<table><thead><tr>{header}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(label: str, content: str, kind: str) -> str:
    named = f' data-label="{label}"' if label else ""
    return f"<td{named}{f' class={kind}' if kind else ''}>{content}</td>"


def _pages(info: Info, given: Mapping[str, str]) -> str:
    def link(page: int, label: str, relation: str) -> str:
        if not 1 <= page <= info.pages or page == info.page:
            return "<span></span>"
        return f'<a rel="{relation}" href="/info?{escape(urlencode({**given, "page": page}))}">{label}</a>'

    before, after = link(info.page - 1, "‹ Previous", "prev"), link(info.page + 1, "Next ›", "next")
    return f'<nav aria-label="Pages">{before}<span>Page {info.page} of {info.pages}</span>{after}</nav>'
