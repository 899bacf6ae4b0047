"""The command line of the normalizer."""

import argparse
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from normalizer.entrypoints.dead_letters import Wish

DONE, FAILED = 0, 1
"""Exit codes; 2 is for wrong usage or settings."""


@dataclass(frozen=True, slots=True)
class Renormalizing:
    """`renormalize`: which rows, and whether for a rehearsal only."""

    platform: str | None
    inner_id: str | None
    batch_size: int
    is_rehearsal: bool


@dataclass(frozen=True, slots=True)
class Commands:
    """What the command line can start; each returns an exit code."""

    run: Callable[[], Coroutine[Any, Any, int]]
    normalize: Callable[[int], Coroutine[Any, Any, int]]
    renormalize: Callable[[Renormalizing], Coroutine[Any, Any, int]]
    replay_dead: Callable[[Wish], Coroutine[Any, Any, int]]


def chosen(argv: list[str] | None, commands: Commands) -> Coroutine[Any, Any, int]:
    """Read the command line and return what it asks for, not yet started; wrong usage exits with 2."""
    parser = argparse.ArgumentParser(prog="normalizer", description="Lands raw events and normalises them.")
    parser.add_argument("--version", action="version", version=f"normalizer {version('feedmill-normalizer')}")
    subparsers = parser.add_subparsers(dest="command", required=True)
    subparsers.add_parser("run", help="consume normalizer.raw until SIGTERM")
    pending = subparsers.add_parser("normalize", help="normalise landed rows that still wait, failed ones included")
    again = subparsers.add_parser("renormalize", help="normalise all landed rows anew, after a mapping was changed")
    again.add_argument("--dry-run", action="store_true", help="change nothing; say field by field what would change")
    again.add_argument("--platform", metavar="P", help="only its rows")
    again.add_argument("--offer", metavar="ID", help="only the offer or product with this inner_id")
    for one in (pending, again):
        one.add_argument("--batch-size", type=_batch_size, default=200, metavar="N", help="rows a transaction (1-5000)")
    dead = subparsers.add_parser("replay-dead", help="land dead letters that can be landed now; the rest stays")
    dead.add_argument("--reason", metavar="R", help="only those that died for it, such as unknown_platform")
    dead.add_argument("--message-id", metavar="ID", help="only this one")
    args = parser.parse_args(argv)
    match args.command:
        case "normalize":
            return commands.normalize(args.batch_size)
        case "renormalize":
            return commands.renormalize(Renormalizing(args.platform, args.offer, args.batch_size, args.dry_run))
        case "replay-dead":
            return commands.replay_dead(Wish(args.reason, args.message_id))
        case _:
            return commands.run()


def _batch_size(value: str) -> int:
    number = int(value)
    if not 1 <= number <= 5000:  # noqa: PLR2004 - the bounds that the help names
        raise argparse.ArgumentTypeError("from 1 to 5000")
    return number
