"""The command line: what it accepts and how it shows tokens."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.ports import TokenListing
from gateway.entrypoints.cli import CreateTokens, ListTokens, RevokeToken, Run, parse, table

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("run", Run()),
        ("tokens create", CreateTokens(1, None, None, None, only_if_none=False)),
        (
            "tokens create --count 20 --description shop --expires-days 30 --file f --if-none",
            CreateTokens(20, "shop", 30, Path("f"), only_if_none=True),
        ),
        ("tokens list", ListTokens()),
        ("tokens revoke 7", RevokeToken(7)),
    ],
)
def test_a_line_becomes_a_command(line: str, command: object) -> None:
    assert parse(line.split()) == command


@pytest.mark.parametrize(
    "line",
    [
        "",
        "serve",
        "tokens",
        "tokens create --count 0",
        "tokens create --count 1001",
        "tokens create --count ٣",
        "tokens create --expires-days -1",
        "tokens revoke",
        "tokens revoke x",
        f"tokens revoke {2**63}",
    ],
)
def test_a_wrong_line_ends_with_code_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(line.split())
    assert caught.value.code == 2
    assert "usage: gateway" in capsys.readouterr().err


def test_tokens_are_shown_as_a_table_without_themselves() -> None:
    moment = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    shown = table([TokenListing(12, "shop", moment, moment, None, active=False)])
    assert shown.splitlines() == [
        "ID  STATE    CREATED           EXPIRES           LAST USED  DESCRIPTION",
        "12  expired  2026-11-20 08:30  2026-11-20 08:30  -          shop",
    ]
