"""What a service would refuse is found without it."""

from pathlib import Path

import pytest

from sandbox.local.errors import LocalError
from sandbox.local.services import check_settings
from sandbox.local.surroundings import look_around

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("gateway: {prot: 1}", "gateway: gateway.prot: unknown key"),
        ("gateway: {secret_key: short}", "gateway: SECRET_KEY is missing or shorter than 32 characters"),
        ("fetcher: {max_retries: 900}", "fetcher: fetcher: retry_window_s is shorter than max_retries"),
        ("shops: {bot_igor: {url: 'no address'}}", r"fetcher: shops.bot_igor.url \(SHOP_API_URL\): an address such as"),
    ],
)
def test_what_a_service_refuses_is_named(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(LocalError, match=f"^settings of {told}"):
        check_settings(look_around(), tmp_path)


@pytest.mark.parametrize("content", ["", f"gateway: {{secret_key: {32 * 'k'}}}"])
def test_a_key_that_will_be_made_is_not_missed(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(content)
    check_settings(look_around(), tmp_path)
