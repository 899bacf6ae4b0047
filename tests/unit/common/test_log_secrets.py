"""Secrets in lines: known ones go wherever they stand, unknown ones where they look like one, and nothing else."""

import json
import logging
import string
import sys
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common import log
from common.settings import Settings, load

pytestmark = pytest.mark.unit

words = st.text(max_size=20)
secrets = st.text(alphabet=string.ascii_letters + string.digits, min_size=log.SHORTEST_HIDDEN, max_size=40)
odd_secrets = st.text(
    alphabet=string.ascii_letters + string.digits + " \"'\\/@:%+&=ÄЖ奥\t", min_size=log.SHORTEST_HIDDEN, max_size=40
)
PLACES = [
    "?page=1&api_key={}",
    "https://x.example/offers?api_key={}&page=1",
    "{{'api_key': '{}'}}",
    '{{"password": "{}"}}',
    "password={}",
    "DB_PASSWORD={} ",
    "x-api-key: {}",
    "Authorization: Bearer {}",
    "(b'authorization', b'Bearer {}')",
    " Bearer {}",
    "secret_key={};",
    "PA\u017f\u017fWORD={} ",
    "access_token: {}",
    "amqp://fetcher:{}@127.0.0.1:5672/feedmill",
    "https://user:{}@shop.example/api/products?on_main=true",
]
TRIGGERS = ("api_key", "apikey", "api-key", "authorization", "token", "password", "passwd", "secret", "bearer", "://")


@given(before=words, secret=odd_secrets, after=words)
@example(before="aaaa", secret="aaaaaaaa", after="aaaa")
def test_a_known_secret_goes_whatever_stands_around_it(before: str, secret: str, after: str) -> None:
    hidden = log.HiddenSecrets()
    hidden.add([secret])
    for shown in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret), json.dumps(secret)):
        said = hidden.scrub(before + shown + after)
        assert shown.strip("\"'") not in said
        assert secret not in said


@given(first=secrets, rest=secrets, before=words)
def test_a_known_secret_that_begins_another_leaves_nothing_of_it(first: str, rest: str, before: str) -> None:
    hidden = log.HiddenSecrets()
    hidden.add([first, first + rest])
    assert rest not in hidden.scrub(f"{before} {first}{rest}").removeprefix(before)


@given(
    before=words, secret=secrets, after=st.sampled_from(["", " failed", "\n", ", again"]), place=st.sampled_from(PLACES)
)
def test_an_unknown_secret_goes_where_it_looks_like_one(before: str, secret: str, after: str, place: str) -> None:
    assert secret not in log.scrub(before + place.format(secret) + after).removeprefix(before)


@given(text=st.text())
@example('page 3 failed, trying again platform=che168 error="http_5xx: status 503" in_s=720.0')
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    if not any(trigger in text.lower() for trigger in TRIGGERS):
        assert log.scrub(text) == text


def test_a_short_secret_is_hidden_only_where_it_looks_like_one() -> None:
    log.hide(["offers"])
    assert log.scrub("GET /offers?api_key=offers") == "GET /offers?api_key=***"


SET = {
    "DB_PASSWORD": "canary-database",
    "RABBITMQ_URL": "amqp://fetcher:canary%40broker@127.0.0.1:5672/feedmill",
    "CHE168_API_KEY": "canary-che168-key",
    "SHOP_API_URL": "https://me:canary-shop-pw@shop.example/api/products?t=canary-shop-query",
    "FEEDMILL__PLATFORMS__ENCAR__API_KEY": "canary-encar-key",
}
CANARIES = [
    *("canary-database", "canary%40broker", "canary@broker", "canary-che168-key"),
    *("canary-shop-pw", "canary-shop-query", "canary-encar-key"),
]


@pytest.fixture
def _secrets_set(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    for name, value in SET.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_secrets_set")
@pytest.mark.parametrize("canary", CANARIES)
def test_every_secret_of_the_settings_is_known_once_they_are_loaded(canary: str) -> None:
    assert canary in log.scrub(f"x{canary}x")
    load(Settings)
    assert log.scrub(f"x{canary}x") == "x***x"


@pytest.mark.usefixtures("_secrets_set")
def test_addresses_stay_readable() -> None:
    load(Settings)
    line = "127.0.0.1:5672/feedmill fetcher https://shop.example/api/products"
    assert log.scrub(line) == line


@pytest.fixture
def _own_hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()
    before = root.level
    yield
    for handler in [handler for handler in root.handlers if isinstance(handler.formatter, log.LineFormatter)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(before)


@pytest.mark.usefixtures("_own_hook")
def test_a_crash_is_logged_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("fetcher")
    log.hide(["canary-4f1c9e"])
    sys.excepthook(LookupError, LookupError("nothing under canary-4f1c9e"), None)
    assert capsys.readouterr().err == "[CRITICAL] crashed: LookupError\n    LookupError: nothing under ***\n"


@pytest.mark.usefixtures("_own_hook")
def test_an_interrupt_is_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("fetcher")
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == "KeyboardInterrupt\n"
