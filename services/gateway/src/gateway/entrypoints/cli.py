"""The command line: `gateway run` and `gateway tokens create|list|revoke`."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from gateway.core.ports import TokenListing

MAX_TOKENS: Final = 1000
MAX_DAYS: Final = 3650
MAX_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Run:
    """Serve until stopped."""


@dataclass(frozen=True, slots=True)
class CreateTokens:
    """Make tokens."""

    count: int
    description: str | None
    expires_days: int | None
    file: Path | None
    only_if_none: bool


@dataclass(frozen=True, slots=True)
class ListTokens:
    """Show what tokens there are."""


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Let a token expire now."""

    id: int


Command = Run | CreateTokens | ListTokens | RevokeToken


def parse(arguments: Sequence[str] | None) -> Command:
    """Return the command; a wrong one ends the process with code 2 and says why."""
    parsed = _parser().parse_args(arguments)
    if parsed.command == "run":
        return Run()
    if parsed.action == "create":
        return CreateTokens(parsed.count, parsed.description, parsed.expires_days, parsed.file, parsed.if_none)
    return ListTokens() if parsed.action == "list" else RevokeToken(parsed.id)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway", description="Serves the catalogue over HTTP.")
    parser.add_argument("--version", action="version", version=f"gateway {version('feedmill-gateway')}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="serve until stopped")
    tokens = commands.add_parser("tokens", help="administer tokens").add_subparsers(dest="action", required=True)
    create = tokens.add_parser("create", help="make tokens and print them, one a line; they are never shown again")
    create.add_argument("--count", type=_number_up_to(MAX_TOKENS), default=1, help="how many (default 1)")
    create.add_argument("--description", help="whom or what they are for")
    create.add_argument("--expires-days", type=_number_up_to(MAX_DAYS), help="days until they expire (default: never)")
    create.add_argument("--file", type=Path, help="also write them to this new file, readable for its owner only")
    create.add_argument("--if-none", action="store_true", help="do nothing when any token was ever made")
    tokens.add_parser("list", help="show ids, descriptions, expiry and last use")
    revoke = tokens.add_parser("revoke", help="let a token expire now")
    revoke.add_argument("id", type=_number_up_to(MAX_ID), help="id as `list` shows it")
    return parser


def _number_up_to(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else 0
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"a whole number from 1 to {most} is expected")
        return number

    return read


def table(listings: Sequence[TokenListing]) -> str:
    """Return the tokens as a table for people; times in UTC."""
    head = ("ID", "STATE", "CREATED", "EXPIRES", "LAST USED", "DESCRIPTION")
    rows = [
        (
            str(listing.id),
            "active" if listing.active else "expired",
            _minute(listing.created_at),
            _minute(listing.expires_at),
            _minute(listing.last_used_at),
            listing.description or "-",
        )
        for listing in listings
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def _minute(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
