"""The form of `/info`: what was asked stands in it, and each fault beside its field."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from gateway.core.errors import Fault


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its parameter and label, the attributes of its input, or the choices where it has some."""

    name: str
    label: str
    attributes: str = ""
    choices: Sequence[tuple[str, str]] = ()


FIELDS: Final = (
    Field("name", "Name", ' type="search"'),
    Field("category", "Category", ' list="categories"'),
    Field("mark", "Mark", ' list="marks"'),
    Field("price_from", "Price from", ' inputmode="decimal"'),
    Field("price_to", "Price to", ' inputmode="decimal"'),
    Field("on_main", "Main page", choices=(("", "any"), ("true", "yes"), ("false", "no"))),
    Field(
        "sort",
        "Order",
        choices=(
            ("newest", "newest first"),
            ("name", "name, A to Z"),
            ("-name", "name, Z to A"),
            ("price", "cheapest first"),
            ("-price", "dearest first"),
        ),
    ),
)
LABELS: Final[Mapping[str, str]] = {field.name: field.label for field in FIELDS}


def form(
    given: Mapping[str, str],
    *,
    categories: Iterable[str] = (),
    marks: Iterable[str] = (),
    faults: Sequence[Fault] = (),
) -> str:
    """Return the form; `given` are the parameters as they were sent, the words are offered where one types."""
    reasons: dict[str, str] = {}
    for fault in faults:
        reasons.setdefault(fault.name, fault.reason)
    first = next((field.name for field in FIELDS if field.name in reasons), None)
    fields = [_field(f, given.get(f.name, ""), reasons.get(f.name), is_first=f.name == first) for f in FIELDS]
    return (
        f'<form method="get" action="/info" role="search" aria-label="Filters">{"".join(fields)}'
        f"{_words('categories', categories)}{_words('marks', marks)}"
        '<p class="actions"><button type="submit">Show</button> <a href="/info">Clear</a></p></form>'
    )


def fault_list(faults: Iterable[Fault]) -> Iterable[str]:
    """Return each fault as HTML, leading to its field."""
    for fault in faults:
        label = LABELS.get(fault.name)
        name = f'<a href="#{fault.name}">{label}</a>' if label else escape(fault.name or "The query")
        yield f"{name}: {escape(fault.reason)}"


def _field(field: Field, value: str, reason: str | None, *, is_first: bool) -> str:
    said = f'<span class="fault" id="{field.name}-fault">{escape(reason)}</span>' if reason else ""
    marked = f' aria-invalid="true" aria-describedby="{field.name}-fault"' if reason else ""
    attributes = f' id="{field.name}" name="{field.name}"{marked}{" autofocus" if is_first else ""}'
    if field.choices:
        control = f"<select{attributes}>{_options(field.choices, value)}</select>"
    else:
        control = f'<input{field.attributes}{attributes} value="{escape(value)}" maxlength="100">'
    return f'<div class="field-{field.name}"><label for="{field.name}">{field.label}</label>{control}{said}</div>'


def _options(choices: Iterable[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{label}</option>' for value, label in choices
    )


def _words(name: str, words: Iterable[str]) -> str:
    options = "".join(f'<option value="{escape(word)}"></option>' for word in sorted(set(words)))
    return f'<datalist id="{name}">{options}</datalist>'
