"""Recorded lists of a shop served as they are.

| file in the folder | becomes |
|---|---|
| `bot_igor_*on_main_true*.json` | the answer to `on_main=true`: one day each, in the order of the file names |
| `bot_igor_*on_main_false*.json` | the same for `on_main=false` |

The body is what the file holds under `body`, or else the whole file without keys that start with an underscore. On a
day for which only one list was recorded the other one is empty; after the last day nothing changes.
"""

import json
from pathlib import Path
from typing import Any

from sandbox.upstream.errors import BadRecordingError
from sandbox.upstream.shop.snapshot import Snapshot

_NOT_BESIDE = frozenset({"products", "status"})
_NO_LIST: dict[str, Any] = {"products": []}


class RecordedShop:
    """The recordings of a folder."""

    def __init__(self, main: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
        self._main = main
        self._other = other

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was recorded."""
        return not (self._main or self._other)

    def snapshot(self, day: int) -> Snapshot:
        """Return the lists of a day."""
        day = min(day, max(len(self._main), len(self._other)) - 1)
        main, other = (lists[day] if day < len(lists) else _NO_LIST for lists in (self._main, self._other))
        beside = {name: value for name, value in main.items() if name not in _NOT_BESIDE}
        return Snapshot(main["products"], other["products"], beside)


def read_shop(folder: Path) -> RecordedShop:
    """Read the lists of a folder; there may be none.

    Raises:
        BadRecordingError: a file of such a name is no answer of a shop.
    """
    main, other = (
        [_body(path) for path in sorted(folder.glob(f"bot_igor_*on_main_{answer}*.json"))]
        for answer in ("true", "false")
    )
    return RecordedShop(main, other)


def _body(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
        body = content.get("body", content)
        bare = {name: value for name, value in body.items() if not name.startswith("_")}
        if all(isinstance(product["Product_ID"], int) for product in bare["products"]):
            return bare
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecordingError(f"{path.name}: not the answer of a shop: {error!r}") from error
    raise BadRecordingError(f"{path.name}: a product without a number")
