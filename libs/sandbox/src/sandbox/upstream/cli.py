"""`sandbox upstream`: a stand-in for auto-api.com on this machine."""

import argparse
import json
import math
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.upstream.app import API_KEY, UpstreamOptions, create_app
from sandbox.upstream.errors import BadOptionError, UpstreamError
from sandbox.upstream.faults import FaultRule, parse_rules
from sandbox.upstream.quirks import NO_QUIRKS, Quirks
from sandbox.upstream.server import listen, serve
from sandbox.upstream.shop.contract import SHOP_PATH
from sandbox.upstream.source import ChangesEnd

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_EXIT_USAGE = 2
_PRODUCTS = 480


def add_parser(subparsers: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command; parsed arguments carry `run`, a callable that takes them and returns the exit code."""
    parser = subparsers.add_parser("upstream", help="serve offers as auto-api.com v2 does", description=__doc__)
    add = parser.add_argument
    add("--offers", type=_count, default=2_000, metavar="N", help="different offers in each list (default 2000)")
    add("--seed", type=int, default=1, metavar="S", help="same seed, same offers and history (default 1)")
    add("--port", type=_count, default=0, metavar="P", help="port; a free one if taken or 0 (default 0)")
    add("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add("--platform", type=_slugs, default="che168", metavar="SLUG[,SLUG]", help="platforms to serve (default che168)")
    add("--recorded", type=Path, metavar="DIR", help="serve the recorded payloads of DIR instead")
    add("--quirks", choices=("on", "off"), default="on", help="show the oddities of the real feed (default on)")
    add("--rate", action="append", default=[], metavar="QUIRK=SHARE", help="set the share of one oddity, 0 to 1")
    add("--changes-per-day", type=_count, metavar="N", help="events a day (default 6 %% of the offers)")
    add("--history-days", type=_count, default=7, metavar="D", help="full days of history (default 7)")
    add("--now", type=_moment, metavar="TIME", help="its moment, ISO 8601 with offset (default: start time)")
    add("--live", action="store_true", help="let time go on, so that changes come all the time")
    add("--horizon-days", type=_count, metavar="D", help="days after --now that have events (default: no end)")
    add(
        "--events-per-request",
        type=_pace,
        default=0.0,
        metavar="N",
        help="events that each /offers request lets happen",
    )
    add("--cache-pages", type=_count, default=0, metavar="N", help="rendered pages of /offers to keep, 130 kB each")
    add(
        "--shop",
        type=_count,
        nargs="?",
        const=_PRODUCTS,
        default=0,
        metavar="N",
        help=f"open a shop of N products (default {_PRODUCTS}) at {SHOP_PATH}",
    )
    add("--changes-end", choices=[str(end) for end in ChangesEnd], default="empty-null", help="how /changes ends")
    add("--faults", type=Path, metavar="FILE", help="JSON list of fault rules in force from the start")
    add("--delay-ms", type=_count, default=0, metavar="D", help="pause before each answer")
    add("--api-key", default=API_KEY, help=f"key that clients must send (default {API_KEY})")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped; print one line with the base URL first."""
    try:
        app = create_app(_options(arguments))
    except UpstreamError as error:
        sys.stderr.write(f"[ERROR] {error}\n")
        return _EXIT_USAGE
    with listen(arguments.host, arguments.port) as sock:
        port = sock.getsockname()[1]
        root = f"http://{arguments.host}:{port}"
        url = f"{root}/api/v2/{arguments.platform.partition(',')[0]}"
        taken = f" (port {arguments.port} was taken)" if arguments.port not in {0, port} else ""
        shop = f", shop at {root}{SHOP_PATH}" if app.shop else ""
        serve(app, sock, on_ready=lambda: _say(f"[INFO] upstream at {url}{taken}{shop}"))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options(arguments: argparse.Namespace) -> UpstreamOptions:
    quirks = NO_QUIRKS if arguments.quirks == "off" else Quirks()
    for setting in arguments.rate:
        name, _, share = setting.partition("=")
        quirks = quirks.with_rate(name, _share(share))
    return UpstreamOptions(
        offers=arguments.offers,
        seed=arguments.seed,
        platform=arguments.platform,
        recorded=arguments.recorded,
        quirks=quirks,
        changes_per_day=arguments.changes_per_day,
        history_days=arguments.history_days,
        now=arguments.now,
        live=arguments.live,
        horizon_days=arguments.horizon_days,
        events_per_request=arguments.events_per_request,
        cache_pages=arguments.cache_pages,
        shop=arguments.shop,
        delay_s=arguments.delay_ms / 1000,
        api_key=arguments.api_key,
        changes_end=ChangesEnd(arguments.changes_end),
        faults=tuple(_faults(arguments.faults)) if arguments.faults else (),
    )


def _faults(path: Path) -> list[FaultRule]:
    try:
        return parse_rules(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise BadOptionError(f"{path}: {error}") from error


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadOptionError(f"not a share: {text!r}") from None


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _slugs(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(,[a-z0-9]+)*", text):
        raise argparse.ArgumentTypeError("must be slugs with commas between them")
    return text


def _pace(text: str) -> float:
    pace = float(text)
    if not 0 <= pace < math.inf:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return pace


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("needs an offset, such as Z")
    return moment
