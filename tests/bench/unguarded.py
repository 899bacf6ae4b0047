"""The gateway as `gateway run` starts it, without the gate: neither tokens nor limits. For comparison only."""

from unittest.mock import patch

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import app
from gateway.entrypoints.http import api


class OpenDoor:
    """Stands where the gate stands, and lets everybody pass."""

    def __init__(self, app: ASGIApp, **_gate: object) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self._app(scope, receive, send)


def main() -> int:
    """Run it."""
    with patch.object(api, "RequireToken", OpenDoor):
        return app.main(["run"])


if __name__ == "__main__":
    raise SystemExit(main())
