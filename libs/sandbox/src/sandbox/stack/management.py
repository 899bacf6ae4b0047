"""The part of RabbitMQ's management API that the stack and its tests use, over one short connection per call."""

import json
from base64 import b64encode
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import quote

from sandbox.stack.errors import StackError
from sandbox.stack.ports import HOST

TIMEOUT_S: Final = 10.0
_OK: Final = range(200, 300)


class Management:
    """A client with one user's rights."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._port = port
        self._authorization = "Basic " + b64encode(f"{user}:{password}".encode()).decode()

    def ask(self, method: str, *path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        """Send one request to `/api/` + path; return the status and the decoded body (None where there is none).

        Raises:
            OSError: Nobody answers.
            HTTPException: What answers is not HTTP.
        """
        connection = HTTPConnection(HOST, self._port, timeout=TIMEOUT_S)
        try:
            target = "/api/" + "/".join(quote(part, safe="") for part in path) + query
            headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(text) if text and is_json else None
        finally:
            connection.close()

    def get(self, *path: str, query: str = "") -> Any:
        """Return the body of a GET.

        Raises:
            StackError: The status is not 2xx, or nobody answers.
        """
        return self._do("GET", *path, query=query)

    def put(self, *path: str, body: Any) -> None:
        """Create or replace what `path` names.

        Raises:
            StackError: As `get`.
        """
        self._do("PUT", *path, body=body)

    def post(self, *path: str, body: Any) -> Any:
        """Send `body` and return the answer.

        Raises:
            StackError: As `get`.
        """
        return self._do("POST", *path, body=body)

    def delete(self, *path: str) -> None:
        """Remove what `path` names.

        Raises:
            StackError: As `get`.
        """
        self._do("DELETE", *path)

    def running_queues(self, vhost: str) -> set[str]:
        """Return the names of the queues that take and give messages; nothing where the API does not answer yet.

        Without statistics the state is that of now; with them it is there after the first round of collecting only.
        """
        try:
            status, queues = self.ask("GET", "queues", vhost, query="?disable_stats=true&enable_queue_totals=true")
        except (OSError, HTTPException):
            return set()
        return {queue["name"] for queue in queues if queue.get("state") == "running"} if status in _OK else set()

    def _do(self, method: str, *path: str, body: Any = None, query: str = "") -> Any:
        try:
            status, answer = self.ask(method, *path, body=body, query=query)
        except (OSError, HTTPException) as error:
            raise StackError(f"RabbitMQ's management API on port {self._port} does not answer: {error}") from error
        if status not in _OK:
            raise StackError(f"RabbitMQ answers {status} to {method} {'/'.join(path)}: {answer}")
        return answer
