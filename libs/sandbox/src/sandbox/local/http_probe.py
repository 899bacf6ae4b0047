"""Short questions to servers of this machine over HTTP."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from sandbox.local.errors import LocalError

TIMEOUT_S: Final = 5.0
_OK: Final = 200
_UNAUTHORIZED: Final = 401


class UnknownTokenError(LocalError):
    """The gateway does not know the token."""


def answers(host: str, port: int, path: str = "/", *, ok_only: bool = False) -> bool:
    """Say whether something answers in HTTP; with `ok_only`, whether it answers 200."""
    try:
        status, _ = _get(host, port, path, {})
    except (OSError, HTTPException):
        return False
    return status == _OK or not ok_only


def get_json(host: str, port: int, path: str, *, token: str) -> Any:
    """Return the decoded body of a GET with a token.

    Raises:
        UnknownTokenError: The token is refused.
        LocalError: Nobody answers, or not with 200 and JSON.
    """
    where = f"http://{host}:{port}{path}"
    try:
        status, body = _get(host, port, path, {"Authorization": f"Bearer {token}"})
        if status == _OK:
            return json.loads(body)
    except (OSError, HTTPException, ValueError) as error:
        raise LocalError(f"{where}: {str(error) or type(error).__name__}") from error
    if status == _UNAUTHORIZED:
        raise UnknownTokenError(f"{where}: the token is not known")
    raise LocalError(f"{where} answers {status}")


def _get(host: str, port: int, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
