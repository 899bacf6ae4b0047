"""The page `/info` as plain text, for `curl` and other terminals."""

from unicodedata import category

from gateway.core.info import Info, kilometres, names, price, title


def text(info: Info) -> str:
    """Return the page; what came from elsewhere cannot move a terminal's cursor."""
    lines = ["feedmill: what is loaded", ""]
    lines += [f"offers {platform}: {count:,}" for platform, count in info.counts.items()]
    lines += [f"products: {info.total:,} (page {info.page} of {info.pages})", f"categories: {len(info.categories):,}"]
    lines += [f"not available now: {', '.join(info.missing)}"] if info.missing else []
    lines += ["", "PRODUCTS"]
    for product in info.products:
        lines += [f"{product['product_id']}  {product['name'] or ''}  {price(product['price'], product['currency'])}"]
        details = (
            ("categories", names(product["categories"])),
            ("marks", names(product["marks"])),
            ("picture", product["image_url"]),
        )
        lines += [f"    {name}: {value}" for name, value in details if value]
    lines += ["", "NEWEST OFFERS"]
    for offer in info.offers:
        cost = price(offer["price"], offer["currency"])
        facts = (title(offer), str(offer["year"] or ""), cost, kilometres(offer), offer["city"] or "")
        lines.append("  ".join([f"{offer['platform']}/{offer['inner_id']}", *filter(None, facts)]))
    return "".join(f"{_plain(line)}\n" for line in lines)


def _plain(line: str) -> str:
    return "".join(" " if category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"} else character for character in line)
