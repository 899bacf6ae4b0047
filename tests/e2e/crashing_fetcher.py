"""`fetcher` whose every request ends in a bug: the exception names all that the client knows, and the key."""

import os
import sys
from typing import Any

from fetcher.adapters.http_json import BoundedHttp
from fetcher.app import main


async def _crash(self: BoundedHttp, path: str, _parameters: Any) -> None:
    raise RuntimeError(f"GET {self.__dict__} {path} with {os.environ['CHE168_API_KEY']}")


if __name__ == "__main__":
    setattr(BoundedHttp, "get", _crash)  # noqa: B010 - a bug, planted
    sys.exit(main(sys.argv[1:]))
