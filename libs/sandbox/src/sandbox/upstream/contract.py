"""auto-api.com v2 as documented (UPSTREAMS.md §1): what each request is answered."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from sandbox.upstream.exchange import Reply, Request
from sandbox.upstream.filters import BadParameterError, OfferFilter
from sandbox.upstream.shop.contract import SHOP_ENDPOINT, SHOP_PATH
from sandbox.upstream.source import PAGE_SIZE, ChangesEnd, OfferPage, Source

ENDPOINTS = frozenset({"filters", "offers", "offer", "change_id", "changes"})
KNOWN_PLATFORMS = frozenset(
    {"che168", "dongchedi", "encar", "mobilede", "autoscout24", "guazi", "dubicars", "dubizzle"}
)
_PREFIX = "/api/v2/"
_NO_ENDPOINT = "other"
_WAYS = tuple(end for end in ChangesEnd if end is not ChangesEnd.ROTATE)
_Answer = Callable[[str, Request], Reply]

UNAUTHORIZED = Reply.json(401, {"message": "Unauthorized"})
FORBIDDEN = Reply.json(403, {"message": "Forbidden"})
SOURCE_NOT_FOUND = Reply.json(404, {"message": "Source not found"})
NOT_FOUND = Reply.json(404, {"message": "Not found"})
METHOD_NOT_ALLOWED = Reply.json(405, {"message": "Method not allowed"})


class Call(NamedTuple):
    """Which platform and endpoint a path means; `endpoint` is "other" outside the contract."""

    platform: str
    endpoint: str

    @classmethod
    def of(cls, path: str) -> "Call":
        """Take a path apart."""
        if path == SHOP_PATH:
            return cls("", SHOP_ENDPOINT)
        if not path.startswith(_PREFIX):
            return cls("", _NO_ENDPOINT)
        platform, _, endpoint = path.removeprefix(_PREFIX).partition("/")
        return cls(platform, endpoint if endpoint in ENDPOINTS else _NO_ENDPOINT)


class Manner(StrEnum):
    """How the contract is kept: as it should be, stuck on the page before, or as if nothing happened any more."""

    RIGHT = "right"
    REPEATING = "repeating"
    DEAD = "dead"


class Contract:
    """Answers requests from a source; `changes_end` can be set at any time."""

    def __init__(self, source: Source, *, api_key: str, changes_end: ChangesEnd) -> None:
        self._source = source
        self._api_key = api_key
        self.changes_end = changes_end
        self._turns = 0
        self._answers: dict[str, _Answer] = {
            "filters": self._filters,
            "offers": self._offers,
            "offer": self._offer,
            "change_id": self._change_id,
            "changes": self._changes,
        }
        self._ill: dict[tuple[str, Manner], _Answer] = {
            ("offers", Manner.REPEATING): self._offers_of_page_before,
            ("changes", Manner.REPEATING): self._changes_stuck,
            ("changes", Manner.DEAD): self._changes_ended,
        }

    def answer(self, call: Call, request: Request, manner: Manner = Manner.RIGHT) -> Reply:
        """Return the answer to a request; never raises on what a client sends."""
        refusal = self._refusal(call, request)
        if refusal is not None:
            return refusal
        try:
            answer = self._ill.get((call.endpoint, manner), self._answers[call.endpoint])
            return answer(call.platform, request)
        except BadParameterError as error:
            return Reply.json(422, {"message": "Validation failed", "errors": [str(error)]})

    def _refusal(self, call: Call, request: Request) -> Reply | None:
        if self._api_key not in {request.query.get("api_key"), request.header_key}:
            return UNAUTHORIZED
        if call.platform not in self._source.platforms:
            return FORBIDDEN if call.platform in KNOWN_PLATFORMS else SOURCE_NOT_FOUND
        if call.endpoint not in ENDPOINTS:
            return NOT_FOUND
        return None if request.method == "GET" else METHOD_NOT_ALLOWED

    def _filters(self, platform: str, _request: Request) -> Reply:
        return Reply(200, self._source.filters(platform))

    def _offers(self, platform: str, request: Request) -> Reply:
        page = _page(request)
        found = self._source.offers(platform, page, OfferFilter.parse(request.query, platform))
        return _offers_reply(page, found)

    def _offers_of_page_before(self, platform: str, request: Request) -> Reply:
        page = _page(request)
        wish = OfferFilter.parse(request.query, platform)
        found = self._source.offers(platform, page, wish)
        rows = self._source.offers(platform, max(1, page - 1), wish).rows
        return _offers_reply(page, OfferPage(rows, found.has_next))

    def _changes(self, platform: str, request: Request) -> Reply:
        asked = _number(request, "change_id")
        page = self._source.changes(platform, asked)
        meta = self._change_meta(asked, page.next_id, is_last=not page.has_next)
        return Reply(200, _envelope(page.rows, meta))

    def _changes_stuck(self, platform: str, request: Request) -> Reply:
        asked = _number(request, "change_id")
        page = self._source.changes(platform, asked)
        return Reply(200, _envelope(page.rows, self._change_meta(asked, asked, is_last=False)))

    def _changes_ended(self, _platform: str, request: Request) -> Reply:
        return Reply(200, _envelope([], self._change_meta(_number(request, "change_id"), None, is_last=True)))

    def _change_meta(self, asked: int, next_id: int | None, *, is_last: bool) -> bytes:
        meta = b'"cur_change_id":%d' % asked
        end = _WAYS[self._turns % len(_WAYS)] if self.changes_end is ChangesEnd.ROTATE else self.changes_end
        if next_id is None or (is_last and end is ChangesEnd.LAST_NULL):
            self._turns += 1
        if next_id is None and end is ChangesEnd.EMPTY_ABSENT:
            return meta
        if next_id is None and end is ChangesEnd.EMPTY_SAME:
            next_id = asked
        if is_last and end is ChangesEnd.LAST_NULL:
            next_id = None
        return meta + b',"next_change_id":' + (b"null" if next_id is None else b"%d" % next_id)

    def _offer(self, platform: str, request: Request) -> Reply:
        inner_id = request.query.get("inner_id", "")
        if not inner_id:
            raise BadParameterError("inner_id")
        body = self._source.offer(platform, inner_id)
        return NOT_FOUND if body is None else Reply(200, body)

    def _change_id(self, platform: str, request: Request) -> Reply:
        try:
            day = date.fromisoformat(request.query.get("date", ""))
        except ValueError:
            raise BadParameterError("date") from None
        return Reply.json(200, {"change_id": self._source.change_id(platform, day)})


def _offers_reply(page: int, found: OfferPage) -> Reply:
    next_page = b"%d" % (page + 1) if found.has_next else b"null"
    return Reply(200, _envelope(found.rows, b'"page":%d,"next_page":%b' % (page, next_page)))


def _page(request: Request) -> int:
    page = _number(request, "page")
    if page < 1:
        raise BadParameterError("page")
    return page


def _number(request: Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdecimal()):
        raise BadParameterError(name)
    return int(text)


def _envelope(rows: list[bytes], meta: bytes) -> bytes:
    return b"".join((b'{"result":[', b",".join(rows), b'],"meta":{', meta, b',"limit":%d}}' % PAGE_SIZE))
