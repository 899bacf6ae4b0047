"""Seeing what a class would be made with: a test puts a catcher in its place."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final


class CaughtError(Exception):
    """Ends what was being put together; nothing is asked of anybody."""


class Catcher:
    """Stands where a class or function stands, and keeps what it was called with.

    Args:
        goes_on: What is called instead; None: the call raises CaughtError.
    """

    def __init__(self, goes_on: Callable[..., Any] | None = None) -> None:
        self._goes_on = goes_on
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *given: Any, **known: Any) -> Any:
        """Keep the arguments."""
        self.calls.append((given, known))
        if self._goes_on is None:
            raise CaughtError
        return self._goes_on(*given, **known)

    @property
    def given(self) -> tuple[Any, ...]:
        """The positional arguments of the last call."""
        return self.calls[-1][0]

    @property
    def known(self) -> dict[str, Any]:
        """The keyword arguments of the last call."""
        return self.calls[-1][1]


def _nothing(*_: object) -> None:
    """Do nothing."""


GC: Final = SimpleNamespace(collect=_nothing, freeze=_nothing, set_threshold=_nothing)
"""In place of the module `gc`, which a service sets for the whole process."""
