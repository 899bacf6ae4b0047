"""Which names lead to a person."""

import pytest

from common.contacts import CONTACT

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "name",
    [
        "phone",
        "inspectorPhone",
        "MOBILE_NO",
        "wechat",
        "WhatsApp",
        "contact",
        "email",
        "E-Mail",
        "tel",
        "seller_tel_2",
        "QQ",
        "qq号",
        "联系电话",
        "手机号",
        "微信",
    ],
)
def test_a_name_that_leads_to_a_person_is_known(name: str) -> None:
    assert CONTACT.search(name)


@pytest.mark.parametrize("name", ["hotel", "telematics", "intelligent", "qqx", "mail", "level", "电动", "手动", "name"])
def test_any_other_name_is_not(name: str) -> None:
    assert not CONTACT.search(name)
