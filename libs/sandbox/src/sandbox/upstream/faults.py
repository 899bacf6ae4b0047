"""The fault script: which request goes wrong, how, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from sandbox.upstream.errors import BadFaultError


class FaultKind(StrEnum):
    """What can go wrong with an answer."""

    STATUS = "status"
    DELAY = "delay"
    HANG = "hang"
    CUT_BODY = "cut_body"
    HTML_200 = "html_200"
    WRONG_SHAPE = "wrong_shape"
    NOT_JSON = "not_json"
    RESET = "reset"
    REPEAT_PAGE = "repeat_page"
    SHIFT = "shift"
    GBK = "gbk"
    GZIP_BOMB = "gzip_bomb"
    REDIRECT = "redirect"
    ENDLESS = "endless"
    EMPTY = "empty"
    NEXT_PAGE = "next_page"
    NEXT_CHANGE_ID = "next_change_id"
    FEED_DEAD = "feed_dead"
    ERROR_200 = "error_200"
    EMPTY_LIST = "empty_list"
    SHRUNK = "shrunk"


class NextFault(StrEnum):
    """How the pointer to the next page can be wrong."""

    BACKWARD = "backward"
    SAME = "same"
    STRING = "string"
    NEGATIVE = "negative"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule. A request matches if all of `endpoint`, `path` (a part of it) and `position` that are given agree.

    `position` is the page of `/offers`, the `change_id` of `/changes`. The lists of the shop are the endpoint
    `products`, and `path` tells them apart (`on_main=true`). The rule works from the `nth` matching
    request on (from 1), `times` times; None is for ever.

    | kind | what the client sees | fields |
    |---|---|---|
    | `status` | an error; a text body is sent as HTML, any other as JSON | `code`, `body`, `headers` |
    | `redirect` | 302 to `/elsewhere`, or to the `Location` of `headers` | `headers` |
    | `html_200`, `empty`, `wrong_shape` | HTML, nothing, or other JSON under 200 | `body` of `wrong_shape` |
    | `not_json`, `gbk` | half the document; the document in GBK instead of UTF-8 | |
    | `next_page`, `next_change_id` | a page whose pointer is wrong | `way`, see `NextFault` |
    | `repeat_page` | the rows of the page before; of `/changes`, a pointer to itself | |
    | `shift` | a right answer, after `count` new offers came up in front of the list | `count` |
    | `feed_dead` | `/changes` at its end under 200, whatever has happened | `seconds` |
    | `error_200`, `empty_list` | of a shop: `status: error` with a message under 200; no products | `body` |
    | `shrunk` | of a shop: only the first `share` of the products | `share`, 0 … 1 |
    | `gzip_bomb`, `endless` | 512 MB packed small; 64 MB and then no end | |
    | `delay` | a right answer, late | `seconds` |
    | `hang`, `reset`, `cut_body` | no answer; a broken connection; a body that is shorter than promised | |

    The kinds that name a page or the feed work on that endpoint only. A dead feed stays dead for `seconds` of the
    stand-in's moment from its first answer on, whatever `times` says; without `seconds` it counts answers as all do.
    """

    kind: FaultKind
    endpoint: str | None = None
    path: str | None = None
    position: int | None = None
    nth: int = 1
    times: int | None = 1
    code: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    count: int = 1
    way: str | None = None
    share: float = 0.4

    @classmethod
    def parse(cls, raw: object) -> "FaultRule":
        """Read one rule as it comes in JSON; `page` is another word for `position`.

        Raises:
            BadFaultError: no object, an unknown key or kind, or a value of the wrong type.
        """
        if not isinstance(raw, dict):
            raise BadFaultError("a fault rule must be an object")
        given = {("position" if name == "page" else name): value for name, value in raw.items()}
        unknown = given.keys() - {spec.name for spec in fields(cls)}
        if unknown:
            raise BadFaultError(f"unknown keys in a fault rule: {', '.join(sorted(unknown))}")
        if given.get("kind") not in list(FaultKind):
            raise BadFaultError(f"unknown kind of fault: {given.get('kind')!r}")
        _check_types(given)
        if given["kind"] in _POINTERS and given.get("way") not in list(NextFault):
            raise BadFaultError(f"the way of {given['kind']} is one of {', '.join(NextFault)}")
        return cls(**(given | {"kind": FaultKind(given["kind"])}))

    def matches(self, endpoint: str, path: str, position: int | None) -> bool:
        """Tell whether the rule speaks of such a request."""
        return (
            (self.endpoint or _OWN_ENDPOINT.get(self.kind, endpoint)) == endpoint
            and (self.path is None or self.path in path)
            and self.position in {None, position}
        )


_POINTERS = frozenset({FaultKind.NEXT_PAGE, FaultKind.NEXT_CHANGE_ID})
_OWN_ENDPOINT = {
    FaultKind.NEXT_PAGE: "offers",
    FaultKind.NEXT_CHANGE_ID: "changes",
    FaultKind.FEED_DEAD: "changes",
    FaultKind.ERROR_200: "products",
    FaultKind.EMPTY_LIST: "products",
    FaultKind.SHRUNK: "products",
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "endpoint": str,
    "path": str,
    "position": int,
    "nth": int,
    "times": (int, type(None)),
    "code": int,
    "headers": dict,
    "seconds": (int, float),
    "count": int,
    "way": str,
    "share": (int, float),
}


def _check_types(given: dict[str, Any]) -> None:
    for name, kind in _TYPES.items():
        if name in given and not isinstance(given[name], kind):
            raise BadFaultError(f"{name} of a fault rule has the wrong type: {given[name]!r}")


def parse_rules(raw: object) -> list[FaultRule]:
    """Read a whole script.

    Raises:
        BadFaultError: no list, or a bad rule in it.
    """
    if not isinstance(raw, list):
        raise BadFaultError("a fault script must be a list of rules")
    return [FaultRule.parse(rule) for rule in raw]


@dataclass(slots=True)
class _Armed:
    rule: FaultRule
    seen: int = 0
    fired: int = 0
    until_ms: int | None = None

    def fires(self, now_ms: int) -> bool:
        """Count one matching request; tell whether the rule works on it."""
        self.seen += 1
        if self.rule.kind is FaultKind.FEED_DEAD and self.rule.seconds and self.seen >= self.rule.nth:
            if self.until_ms is None:
                self.until_ms = now_ms + round(self.rule.seconds * 1000)
            return now_ms < self.until_ms
        return self.seen >= self.rule.nth and (self.rule.times is None or self.fired < self.rule.times)


class FaultScript:
    """The rules in force and how far each has got; the first one that works on a request wins."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, rules: list[FaultRule]) -> None:
        """Put rules behind those in force."""
        self._armed += [_Armed(rule) for rule in rules]

    def clear(self) -> None:
        """Forget all rules."""
        self._armed.clear()

    def fired(self) -> list[int]:
        """Return how often each rule has worked, in the order in which they came."""
        return [armed.fired for armed in self._armed]

    def pick(self, endpoint: str, path: str, position: int | None, *, now_ms: int) -> FaultRule | None:
        """Count the request against all rules and return the one that works on it.

        `now_ms` is the stand-in's moment in milliseconds of the epoch.
        """
        chosen: _Armed | None = None
        for armed in self._armed:
            if armed.rule.matches(endpoint, path, position) and armed.fires(now_ms) and chosen is None:
                chosen = armed
        if chosen is None:
            return None
        chosen.fired += 1
        return chosen.rule
