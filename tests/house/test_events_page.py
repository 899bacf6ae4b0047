"""docs/events.md says what the code says."""

from datetime import datetime
from typing import Annotated

import msgspec
from tests.house import events_page
from tests.house.tree import text

from common import events
from common.events import PageKind


def test_the_page_is_what_make_docs_writes() -> None:
    assert text(events_page.PAGE) == events_page.render(), "run: make docs"


def test_the_example_is_an_event() -> None:
    example = events_page.render().partition("```json\n")[2].partition("\n```")[0]
    page = events.decode(example.encode())
    assert page.records[0].inner_id == "50417111"
    assert len(page.records) == 1


def test_a_docstring_gives_each_field_its_meaning_on_one_line() -> None:
    text = "What it is.\n\nAttributes:\n    one: First\n        and more.\n    two: Second.\n"
    assert events_page.attributes(text) == {"one": "First and more.", "two": "Second."}


def test_types_have_names_for_people() -> None:
    named = {
        str | None: "text or null",
        datetime: "RFC 3339 time",
        Annotated[int, msgspec.Meta(ge=0)]: "whole number",
        PageKind: "`page`, `change`, `snapshot`, `lookup`",
    }
    assert {hint: events_page.type_name(hint) for hint in named} == named
