"""Extras with JSON in their texts: ways to reach a person are left out of that as well."""

import json
from typing import Any

import pytest

from normalizer.core.offers.extras import MAX_DEPTH, read_extras

PRIVATE = {"phone": "PRIVATE", "level": "A"}
CLEAN = {"level": "A"}


@pytest.mark.parametrize(
    ("said", "details"),
    [
        pytest.param({"inspection": json.dumps(PRIVATE)}, {"inspection": CLEAN}, id="a known part as text"),
        pytest.param({"notes": json.dumps(PRIVATE)}, {"notes": CLEAN}, id="another part as text"),
        pytest.param({"notes": f"\n {json.dumps([PRIVATE])}"}, {"notes": [CLEAN]}, id="a list, after a blank"),
        pytest.param({"inspection": {"by": json.dumps(PRIVATE)}}, {"inspection": {"by": CLEAN}}, id="in an object"),
        pytest.param({"notes": [json.dumps({"by": json.dumps(PRIVATE)})]}, {"notes": [{"by": CLEAN}]}, id="twice"),
        pytest.param({"inspection": {"by": json.dumps(PRIVATE)[:-1]}}, {}, id="cut off, in an object"),
        pytest.param({"notes": json.dumps({"电话": "PRIVATE"})}, {}, id="nothing else, in escapes"),
        pytest.param({"inspection": {"by": "[4S] store"}}, {"inspection": {"by": "[4S] store"}}, id="no JSON"),
    ],
)
def test_json_in_a_text_is_searched_for_contacts_as_the_rest_is(said: Any, details: Any) -> None:
    for body in (json.dumps(said), json.dumps(json.dumps(said))):
        extras = read_extras(body.encode())
        assert (extras.details, extras.parameters) == (details, {})


def test_a_text_that_only_opens_like_json_stays_a_parameter_unless_it_names_a_contact() -> None:
    said = {"doors": "[4] doors", "colour": "{red}", "notes": json.dumps(PRIVATE)[:-1]}
    extras = read_extras(json.dumps(said).encode())
    assert (extras.details, extras.parameters) == ({}, {"doors": "[4] doors", "colour": "{red}"})


def test_texts_in_texts_end_where_objects_in_objects_do() -> None:
    said: Any = "end"
    for _ in range(MAX_DEPTH + 1):
        said = json.dumps([said])
    assert read_extras(json.dumps({"notes": {"a": said}}).encode()).details == {}
