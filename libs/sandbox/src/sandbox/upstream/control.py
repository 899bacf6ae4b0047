"""The stand-in's own endpoints under `/_sandbox/`, for tests and oracles; they need no key."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from sandbox.upstream.contract import Contract
from sandbox.upstream.errors import BadFaultError, BadOptionError
from sandbox.upstream.exchange import Receive, Reply, Request, read_body
from sandbox.upstream.faults import FaultScript, parse_rules
from sandbox.upstream.moment import Moment
from sandbox.upstream.shop.contract import ShopContract
from sandbox.upstream.source import ChangesEnd, Source
from sandbox.upstream.stats import Stats

PREFIX = "/_sandbox/"
_LIMIT = 500
_MOST = 5_000
_DONE = Reply.json(200, {"status": "ok"})


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a stand-in can be asked and moved."""

    source: Source
    contract: Contract
    faults: FaultScript
    stats: Stats
    moment: Moment
    shop: ShopContract | None


class Control:
    """Answers questions about the stand-in and takes its fault script.

    * `GET stats` (see `Stats.as_json`), `DELETE stats` starts counting again
    * `POST faults` adds a list of rules (see `FaultRule`), `GET faults` tells how often each worked,
      `DELETE faults` clears
    * `GET clock`: `{now, events_per_request}`, `POST clock` with one or both of them sets them; time moves forward only
    * `GET changes-end`: `{changes_end}`, `POST changes-end` with that sets how `/changes` ends (see `ChangesEnd`)
    * `GET shop`: `{day}`, `POST shop` with that goes to another day of the shop
    * `GET shop/truth`: see `ShopContract.truth`
    * `GET truth?after=&limit=&platform=`: `{"result": [{inner_id, active, listed, data}], "next_after": text | null}`
    * `GET truth/summary?platform=`: see `Summary`
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._answers: dict[str, Callable[[Request, bytes], Reply]] = {
            "faults": self._answer_faults,
            "stats": self._answer_stats,
            "clock": self._answer_clock,
            "changes-end": self._answer_changes_end,
            "shop": self._answer_shop,
            "shop/truth": self._shop_truth,
            "truth": self._truth,
            "truth/summary": self._summary,
        }

    async def answer(self, request: Request, receive: Receive) -> Reply:
        """Return the answer to a request below the prefix."""
        answer = self._answers.get(request.path.removeprefix(PREFIX))
        if answer is None:
            return Reply.json(404, {"message": f"nothing at {request.path}"})
        try:
            return answer(request, await read_body(receive))
        except (BadFaultError, BadOptionError, ValueError) as error:
            return Reply.json(422, {"message": str(error)})

    def _answer_faults(self, request: Request, body: bytes) -> Reply:
        if request.method == "DELETE":
            self._parts.faults.clear()
            return _DONE
        if request.method == "POST":
            self._parts.faults.add(parse_rules(json.loads(body)))
            return _DONE
        return Reply.json(200, {"fired": self._parts.faults.fired()})

    def _answer_stats(self, request: Request, _body: bytes) -> Reply:
        if request.method == "DELETE":
            self._parts.stats.clear()
        return Reply.json(200, self._parts.stats.as_json())

    def _answer_clock(self, request: Request, body: bytes) -> Reply:
        moment = self._parts.moment
        if request.method == "POST":
            _set_clock(moment, json.loads(body))
        return Reply.json(200, {"now": moment.now.isoformat(), "events_per_request": moment.events_per_request})

    def _answer_changes_end(self, request: Request, body: bytes) -> Reply:
        if request.method == "POST":
            asked = json.loads(body)
            end = asked.get("changes_end") if isinstance(asked, dict) else None
            if end not in list(ChangesEnd):
                raise BadOptionError(f"changes_end is one of {', '.join(ChangesEnd)}")
            self._parts.contract.changes_end = ChangesEnd(end)
        return Reply.json(200, {"changes_end": self._parts.contract.changes_end})

    def _answer_shop(self, request: Request, body: bytes) -> Reply:
        shop = self._open_shop()
        if request.method == "POST":
            shop.day = _day(json.loads(body))
        return Reply.json(200, {"day": shop.day})

    def _shop_truth(self, _request: Request, _body: bytes) -> Reply:
        return Reply.json(200, self._open_shop().truth())

    def _open_shop(self) -> ShopContract:
        if self._parts.shop is None:
            raise BadOptionError("there is no shop; start with --shop")
        return self._parts.shop

    def _truth(self, request: Request, _body: bytes) -> Reply:
        after, limit = request.query.get("after", ""), request.query.get("limit", str(_LIMIT))
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST or not (after.isdecimal() or not after):
            raise BadOptionError(f"after is an inner_id, limit from 1 to {_MOST}")
        page = self._parts.source.truth(self._platform(request), after, int(limit))
        next_after = json.dumps(page.next_after).encode()
        return Reply(200, b'{"result":[%b],"next_after":%b}' % (b",".join(page.rows), next_after))

    def _summary(self, request: Request, _body: bytes) -> Reply:
        return Reply.json(200, asdict(self._parts.source.summary(self._platform(request))))

    def _platform(self, request: Request) -> str:
        asked = request.query.get("platform", "che168")
        return asked if asked in self._parts.source.platforms else min(self._parts.source.platforms)


def _set_clock(moment: Moment, asked: object) -> None:
    """Set what is asked for, all of it or nothing.

    Raises:
        BadOptionError: no object of `now` (ISO 8601 with offset, not in the past) and `events_per_request` (0 or more).
        ValueError: `now` is no moment.
    """
    if not isinstance(asked, dict) or asked.keys() - {"now", "events_per_request"}:
        raise BadOptionError("the clock takes an object of now and events_per_request")
    pace = asked.get("events_per_request", moment.events_per_request)
    if isinstance(pace, bool) or not isinstance(pace, int | float) or not 0 <= pace < math.inf:
        raise BadOptionError("events_per_request is a number, 0 or more")
    if "now" in asked:
        moment.move_to(datetime.fromisoformat(str(asked["now"])))
    moment.events_per_request = float(pace)


def _day(asked: object) -> int:
    """Return the day that is asked for.

    Raises:
        BadOptionError: no object with a `day`, 0 or more.
    """
    day = asked.get("day") if isinstance(asked, dict) else None
    if isinstance(day, bool) or not isinstance(day, int) or day < 0:
        raise BadOptionError("the day of the shop is a number, 0 or more")
    return day
