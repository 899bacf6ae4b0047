"""The stand-in as an ASGI application: plain, because it shares its two cores with what it measures."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zlib import crc32

from common.clock import Clock, SystemClock
from sandbox.upstream.broken import made_up, send_endless, spoiled
from sandbox.upstream.contract import Call, Contract, Manner
from sandbox.upstream.control import PREFIX, Control, Parts
from sandbox.upstream.exchange import (
    RESET_EXTENSION,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    send_reply,
    wait_for_disconnect,
)
from sandbox.upstream.faults import FaultKind, FaultRule, FaultScript
from sandbox.upstream.generated import GeneratedSource, World
from sandbox.upstream.markets import Markets
from sandbox.upstream.moment import Moment
from sandbox.upstream.quirks import DOCUMENTED_QUIRKS, Quirks
from sandbox.upstream.recorded import RecordedSource, read_recordings
from sandbox.upstream.shop.contract import SHOP_ENDPOINT, ShopContract
from sandbox.upstream.shop.generated import GeneratedShop
from sandbox.upstream.shop.recorded import read_shop
from sandbox.upstream.source import ChangesEnd, Source
from sandbox.upstream.stats import Stats

API_KEY = "sandbox-key"
_OWN_SEED = "che168"
"""The platform whose offers come from the seed as it is; others have their own offers under ids of the same kind."""
_DAILY_SHARE = 0.06
"""Events a day per offer: 15,000 for 250,000."""
_MANNERS = {FaultKind.REPEAT_PAGE: Manner.REPEATING, FaultKind.FEED_DEAD: Manner.DEAD}


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """What to serve and how.

    Args:
        offers: different offers that the list of each platform shows.
        seed: same seed, same offers and history.
        platform: the slugs under which generated offers are served, with commas between them.
        recorded: a folder of recorded payloads to serve instead of generated offers.
        quirks: the rates of oddities.
        changes_per_day: events a day; None is 6 % of the offers.
        history_days: full days of history before the day of `now`.
        now: the moment at which the stand-in starts, aware; None is that of the start of the process.
        live: the moment is that of the clock, as soon as that is later than `now`; otherwise it stands until moved.
        horizon_days: days after `now` in which there are events; None is without end.
        events_per_request: events that each request to `/offers` lets happen, 0 for none.
        cache_pages: rendered pages of the whole list to keep, about 130 kB each.
        shop: products with which a shop opens at `/api/products`, 0 for no shop; recorded lists come before it.
        delay_s: pause before each answer of the API, in seconds.
        api_key: the key that clients must send.
        changes_end: how `/changes` ends.
        faults: rules in force from the start.
    """

    offers: int = 2_000
    seed: int = 1
    platform: str = "che168"
    recorded: Path | None = None
    quirks: Quirks = DOCUMENTED_QUIRKS
    changes_per_day: int | None = None
    history_days: int = 7
    now: datetime | None = None
    live: bool = False
    horizon_days: int | None = None
    events_per_request: float = 0.0
    cache_pages: int = 0
    shop: int = 0
    delay_s: float = 0.0
    api_key: str = API_KEY
    changes_end: ChangesEnd = ChangesEnd.EMPTY_NULL
    faults: tuple[FaultRule, ...] = ()


class UpstreamApp:
    """The ASGI application; `faults`, `stats`, `moment` and `shop` are open to tests in the same process."""

    def __init__(
        self, source: Source, shop: ShopContract | None, options: UpstreamOptions, moment: Moment, clock: Clock
    ) -> None:
        self.faults = FaultScript()
        self.faults.add(list(options.faults))
        self.stats = Stats()
        self.moment = moment
        self.moment.events_per_request = options.events_per_request
        self.shop = shop
        self._source = source
        self._clock = clock
        self._delay_s = options.delay_s
        self._contract = Contract(source, api_key=options.api_key, changes_end=options.changes_end)
        self._control = Control(Parts(source, self._contract, self.faults, self.stats, moment, shop))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request.of(scope)
        if request.path.startswith(PREFIX):
            await send_reply(send, await self._control.answer(request, receive))
            return
        call, position = Call.of(request.path), request.position()
        path = _named(call, request)
        self.stats.enter(call.endpoint, path, position)
        try:
            self._live_on(call)
            if self._delay_s:
                await self._clock.sleep(self._delay_s)
            fault = self.faults.pick(call.endpoint, path, position, now_ms=self.moment.ms)
            if fault is None or not await self._breaks_off(fault, scope, receive, send):
                await self._send(self._reply(call, request, fault), send, fault)
        finally:
            self.stats.leave()

    def _live_on(self, call: Call) -> None:
        if call.endpoint == "offers" and call.platform in self._source.platforms and (due := self.moment.events_due()):
            self._source.advance(call.platform, due)

    async def _breaks_off(self, fault: FaultRule, scope: Scope, receive: Receive, send: Send) -> bool:
        """Do what a fault does before or instead of the answer; tell whether there will be none."""
        if fault.kind is FaultKind.DELAY:
            await self._clock.sleep(fault.seconds)
        elif fault.kind is FaultKind.HANG:
            await wait_for_disconnect(receive)
            return True
        elif fault.kind is FaultKind.ENDLESS:
            await send_endless(send, receive)
            return True
        elif fault.kind is FaultKind.RESET:
            extension = scope.get("extensions", {}).get(RESET_EXTENSION)
            if extension is None:
                raise ConnectionResetError("reset by the fault script")
            extension["reset"]()
            return True
        return False

    def _reply(self, call: Call, request: Request, fault: FaultRule | None) -> Reply:
        if fault is not None and (reply := made_up(fault)) is not None:
            return reply
        if self.shop is not None and call.endpoint == SHOP_ENDPOINT:
            reply = self.shop.answer(request, fault)
            return reply if fault is None else spoiled(reply, fault, request)
        if fault is None:
            return self._contract.answer(call, request)
        if fault.kind is FaultKind.SHIFT and call.platform in self._source.platforms:
            self._source.shift(call.platform, fault.count)
        manner = _MANNERS.get(fault.kind, Manner.RIGHT)
        return spoiled(self._contract.answer(call, request, manner), fault, request)

    async def _send(self, reply: Reply, send: Send, fault: FaultRule | None) -> None:
        is_cut = fault is not None and fault.kind is FaultKind.CUT_BODY
        await send_reply(send, reply, cut=is_cut)
        if not is_cut:
            self.stats.answered(reply.status)


def _named(call: Call, request: Request) -> str:
    """Return what a request is called in rules and counts: its path, and which list of the shop."""
    if call.endpoint != SHOP_ENDPOINT:
        return request.path
    return f"{request.path}?on_main={request.query.get('on_main', '')}"


def create_app(options: UpstreamOptions | None = None, *, clock: Clock | None = None) -> UpstreamApp:
    """Make the application.

    Raises:
        BadRecordingError: the recorded folder cannot be served.
    """
    options = options or UpstreamOptions()
    clock = clock or SystemClock()
    now = options.now or clock.now()
    moment = Moment(now, horizon_days=options.horizon_days, clock=clock if options.live else None)
    return UpstreamApp(_source(options, now, moment), _shop(options), options, moment, clock)


def _shop(options: UpstreamOptions) -> ShopContract | None:
    recorded = None if options.recorded is None else read_shop(options.recorded)
    if recorded is not None and not recorded.is_empty:
        return ShopContract(recorded)
    return ShopContract(GeneratedShop(products=options.shop, seed=options.seed)) if options.shop else None


def _source(options: UpstreamOptions, now: datetime, moment: Moment) -> Source:
    if options.recorded is not None:
        return RecordedSource(read_recordings(options.recorded))
    return Markets({platform: _market(platform, options, now, moment) for platform in options.platform.split(",")})


def _market(platform: str, options: UpstreamOptions, now: datetime, moment: Moment) -> GeneratedSource:
    changes = options.changes_per_day
    world = World(
        offers=options.offers,
        seed=options.seed if platform == _OWN_SEED else options.seed ^ crc32(platform.encode()),
        platform=platform,
        changes_per_day=round(options.offers * _DAILY_SHARE) if changes is None else changes,
        history_days=options.history_days,
        now=now,
        quirks=options.quirks,
        cache_pages=options.cache_pages,
    )
    return GeneratedSource(world, moment)
