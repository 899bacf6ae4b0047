"""The stand-in's own endpoints under `/_sandbox/`, for tests and oracles; they need no key."""

import json
import math
from dataclasses import asdict
from datetime import datetime

from sandbox.upstream.errors import BadFaultError, BadOptionError
from sandbox.upstream.exchange import Receive, Reply, Request, read_body
from sandbox.upstream.faults import FaultScript, parse_rules
from sandbox.upstream.moment import Moment
from sandbox.upstream.source import Source
from sandbox.upstream.stats import Stats

PREFIX = "/_sandbox/"
_LIMIT = 500
_MOST = 5_000
_DONE = Reply.json(200, {"status": "ok"})


class Control:
    """Answers questions about the stand-in and takes its fault script.

    * `GET stats` (see `Stats.as_json`), `DELETE stats` starts counting again
    * `POST faults` adds a list of rules (see `FaultRule`), `GET faults` tells how often each worked,
      `DELETE faults` clears
    * `GET clock`: `{now, events_per_request}`, `POST clock` with one or both of them sets them; time moves forward only
    * `GET truth?after=&limit=&platform=`: `{"result": [{inner_id, active, listed, data}], "next_after": text | null}`
    * `GET truth/summary?platform=`: see `Summary`
    """

    def __init__(self, source: Source, faults: FaultScript, stats: Stats, moment: Moment) -> None:
        self._source = source
        self._faults = faults
        self._stats = stats
        self._moment = moment

    async def answer(self, request: Request, receive: Receive) -> Reply:
        """Return the answer to a request below the prefix."""
        name = request.path.removeprefix(PREFIX)
        if name == "faults":
            return await self._answer_faults(request, receive)
        if name == "clock":
            return await self._answer_clock(request, receive)
        if name == "stats":
            if request.method == "DELETE":
                self._stats.clear()
            return Reply.json(200, self._stats.as_json())
        if name == "truth":
            return self._truth(request)
        if name == "truth/summary":
            return Reply.json(200, asdict(self._source.summary(self._platform(request))))
        return Reply.json(404, {"message": f"nothing at {request.path}"})

    async def _answer_faults(self, request: Request, receive: Receive) -> Reply:
        if request.method == "DELETE":
            self._faults.clear()
            return _DONE
        if request.method == "POST":
            try:
                self._faults.add(parse_rules(json.loads(await read_body(receive))))
            except (BadFaultError, ValueError) as error:
                return Reply.json(422, {"message": str(error)})
            return _DONE
        return Reply.json(200, {"fired": self._faults.fired()})

    async def _answer_clock(self, request: Request, receive: Receive) -> Reply:
        moment = self._moment
        if request.method == "POST":
            try:
                _set_clock(moment, json.loads(await read_body(receive)))
            except (BadOptionError, ValueError) as error:
                return Reply.json(422, {"message": str(error)})
        return Reply.json(200, {"now": moment.now.isoformat(), "events_per_request": moment.events_per_request})

    def _truth(self, request: Request) -> Reply:
        after, limit = request.query.get("after", ""), request.query.get("limit", str(_LIMIT))
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST or not (after.isdecimal() or not after):
            return Reply.json(422, {"message": f"after is an inner_id, limit from 1 to {_MOST}"})
        page = self._source.truth(self._platform(request), after, int(limit))
        next_after = json.dumps(page.next_after).encode()
        return Reply(200, b'{"result":[%b],"next_after":%b}' % (b",".join(page.rows), next_after))

    def _platform(self, request: Request) -> str:
        asked = request.query.get("platform", "che168")
        return asked if asked in self._source.platforms else min(self._source.platforms)


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
