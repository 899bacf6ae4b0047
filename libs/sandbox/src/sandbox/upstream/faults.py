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


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule. A request matches if all of `endpoint`, `path` (a part of it) and `position` that are given agree.

    `position` is the page of `/offers`, the `change_id` of `/changes`. The rule works from the `nth` matching
    request on (from 1), `times` times; None is for ever. `code`, `body` (a JSON value, or a text that is sent as
    HTML) and `headers` belong to `status`; `body` also to `wrong_shape`; `seconds` to `delay`; `count` (new offers
    in front of the list) to `shift`.
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
        if given.get("kind") not in set(FaultKind):
            raise BadFaultError(f"unknown kind of fault: {given.get('kind')!r}")
        _check_types(given)
        return cls(**(given | {"kind": FaultKind(given["kind"])}))

    def matches(self, endpoint: str, path: str, position: int | None) -> bool:
        """Tell whether the rule speaks of such a request."""
        return (
            self.endpoint in {None, endpoint}
            and (self.path is None or self.path in path)
            and self.position in {None, position}
        )


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

    def fires(self) -> bool:
        """Count one matching request; tell whether the rule works on it."""
        self.seen += 1
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

    def pick(self, endpoint: str, path: str, position: int | None) -> FaultRule | None:
        """Count the request against all rules and return the one that works on it."""
        chosen: _Armed | None = None
        for armed in self._armed:
            if armed.rule.matches(endpoint, path, position) and armed.fires() and chosen is None:
                chosen = armed
        if chosen is None:
            return None
        chosen.fired += 1
        return chosen.rule
