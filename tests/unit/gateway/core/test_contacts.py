"""What leads to a person is left out of a record, and nothing else is touched."""

import json
from typing import Any

import pytest
from tests.growing import LINEAR, growth

from gateway.core.contacts import without_contacts

pytestmark = pytest.mark.unit

NUMBER = "400-000-0000"
INSPECTION = {"phone": NUMBER, "level": "A", "by": [{"Contact_Tel": NUMBER, "name": "Li"}]}
KEPT = {"level": "A", "by": [{"name": "Li"}]}
TABLE = {"paramtypeitems": [{"name": "手机互联", "手机": 1}]}


@pytest.mark.parametrize("wrapped", [lambda value: value, json.dumps], ids=["object", "string"])
def test_contacts_are_left_out_of_the_extras_wherever_they_stand(wrapped: Any) -> None:
    record = {"inner_id": "1", "extra": wrapped({"inspection": INSPECTION, "电话": NUMBER, "configuration": TABLE})}
    left = json.loads(without_contacts(json.dumps(record, ensure_ascii=False), "extra"))
    assert left == {"inner_id": "1", "extra": json.loads(json.dumps(left["extra"]))}
    found = left["extra"] if isinstance(left["extra"], dict) else json.loads(left["extra"])
    assert found == {"inspection": KEPT, "configuration": TABLE}
    assert type(left["extra"]) is type(record["extra"])


def test_contacts_are_left_out_of_json_in_a_text_of_the_extras_and_other_texts_stay() -> None:
    nested = [json.dumps({"x": json.dumps(INSPECTION)})]
    said = {"inspection": json.dumps(INSPECTION), "by": nested, "configuration": "{手机}"}
    others = {"a": "[phone] holder", "b": "{1.10, 手", "c": '{"n":1.10}', "d": "by phone"}
    left = json.loads(without_contacts(json.dumps({"extra": said | others}), "extra"))["extra"]
    assert json.loads(left["inspection"]) == json.loads(json.loads(left["by"][0])["x"]) == KEPT
    assert left["configuration"] == said["configuration"]
    assert {name: left[name] for name in others} == others | {"a": None}


def test_a_key_in_escapes_is_the_same_key() -> None:
    extras = '{"\\u624b\\u673a":1,"\\u0050hone":2,"\\u7ea7":{"\\u7535\\u8BDD":3,"a":"\\u7ea7"}}'
    assert json.loads(extras) == {"手机": 1, "Phone": 2, "级": {"电话": 3, "a": "级"}}
    left = json.loads(without_contacts(json.dumps({"extra": extras}), "extra"))
    assert json.loads(left["extra"]) == {"级": {"a": "级"}}


@pytest.mark.parametrize(
    "record",
    [
        '{"extra":"{\\"\\\\u7ea7\\":1.10}"}',
        '{"a":12345678901234567890,"price":"98000.50","x":1.10}',
        '{"description":"call me, phone 1","extra":{"inspection":{}}}',
        '{"phone_holder":true,"extra":null}',
        '{"mobile":1}',
        '{"extra":{"configuration":{"a":"手"}}}',
    ],
)
def test_a_record_without_contacts_in_its_extras_stays_as_it_is_to_the_byte(record: str) -> None:
    assert without_contacts(record, "extra") == record


def test_other_fields_stay_as_they_are_to_the_byte() -> None:
    record = '{"n":12345678901234567890,"f":1.10,"phone":1,"extra":{"phone":1}}'
    assert without_contacts(record, "extra") == '{"n":12345678901234567890,"f":1.10,"phone":1,"extra":{}}'


@pytest.mark.parametrize("text", ["phone: 400-000-0000", '{"phone":"400', "[phone", '{"a":' * 5000 + '"phone"'])
def test_a_string_that_is_no_json_is_not_given_out(text: str) -> None:
    assert json.loads(without_contacts(json.dumps({"extra": text}), "extra")) == {"extra": None}


def test_what_is_nested_too_deep_to_look_into_is_not_given_out() -> None:
    deep = '{"a":' * 600 + '{"phone":1}' + "}" * 600
    assert without_contacts(f'{{"extra":{deep}}}', "extra") == '{"extra":null}'


def test_backslashes_in_a_row_take_no_more_time_than_there_are() -> None:
    def record_of(number: int) -> str:
        return json.dumps({"extra": {"phone": 1, "a": "\\" * number}})

    assert growth(lambda record: without_contacts(record, "extra"), record_of, 2_000) < LINEAR


@pytest.mark.parametrize("backslashes", [1, 2, 3, 8])
def test_an_escape_is_one_behind_any_number_of_backslashes(backslashes: int) -> None:
    extras = json.dumps({"a": '["' + "\\" * backslashes + 'u624b\u673a"'})
    left = json.loads(without_contacts(f'{{"extra":{extras}}}', "extra"))
    assert left["extra"]["a"] is None
