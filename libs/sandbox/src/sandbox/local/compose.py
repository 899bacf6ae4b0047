"""The whole of feedmill in containers, where a Docker engine answers; `docker-compose.yml` says of what it consists."""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from common.settings import SERVICE_PASSWORDS
from sandbox.local.console import last_error, say
from sandbox.local.errors import LocalError
from sandbox.local.runtime import Condition, Console, Invocation, Transfer
from sandbox.local.services import UPSTREAM_KEY
from sandbox.local.state import LocalFolder
from sandbox.local.surroundings import PLATFORM, Surroundings
from sandbox.stack.ports import choose, is_free
from sandbox.stack.state import write_private
from sandbox.upstream.shop.contract import SHOP_PATH

ENGINE_PATIENCE_S: Final = 10.0
CONSOLE_PORT: Final = 15672
_UPSTREAM: Final = "http://upstream:8168"
UPSTREAM_URL: Final = f"{_UPSTREAM}/api/v2/{PLATFORM}"
SHOP_URL: Final = f"{_UPSTREAM}{SHOP_PATH}"
USERS: Final = ("FETCHER", "NORMALIZER", "GATEWAY", "OPERATOR")
SERVICES: Final = ("fetcher", "normalizer", "gateway")
ALL_PROFILES: Final = ("postgres", "rabbitmq", "sandbox")
_CONTAINER_OF: Final = {"feedmill": "migrate", "feedmill doctor": "doctor", "gateway tokens": "tokens"}
"""Where another container than the program's own knows what a command needs, such as the owner of the database."""
_TOKEN: Final = re.compile(r"^[A-Za-z0-9]{16}$", re.MULTILINE)


def engine_answers(environment: Mapping[str, str]) -> bool:
    """Say whether there are an engine and Compose; an engine that thinks for more than 10 s counts as none."""
    return all(_succeeds(words, environment) for words in (("docker", "info"), ("docker", "compose", "version")))


class ComposeRuntime:
    """Runtime on Docker Compose; a server that the surroundings bring is left out by its profile."""

    def __init__(self, root: Path, folder: LocalFolder, around: Surroundings) -> None:
        self._root = root
        self._folder = folder
        self._around = around
        brought = (around.brings_database, around.brings_broker, around.brings_upstream)
        self._profiles = [name for name, is_brought in zip(ALL_PROFILES, brought, strict=True) if not is_brought]

    def start(self) -> None:
        """See Runtime.

        Raises:
            LocalError: Compose says that something is not ready.
        """
        if not self._output("ps", "--quiet", "gateway").strip():
            self._choose_port("API_PORT", self._around.gateway.port)
            self._choose_port("RABBITMQ_CONSOLE_PORT", CONSOLE_PORT)
        services = ["normalizer", "gateway", *(["upstream"] if "sandbox" in self._profiles else [])]
        say("starting containers; the first time their images are built")
        self._output("up", "--detach", "--build", "--wait", *services)

    def start_fetcher(self) -> None:
        """See Runtime.

        Raises:
            LocalError: Compose says that it is not ready.
        """
        self._output("up", "--detach", "--build", "--wait", "fetcher")

    def stop(self) -> list[str]:
        """See Runtime."""
        return self._ended("down")

    def delete_data(self) -> list[str]:
        """See Runtime."""
        return self._ended("down", "--volumes")

    def conditions(self) -> list[Condition]:
        """See Runtime."""
        conditions = []
        for line in self._output("ps", "--format", "json", profiles=ALL_PROFILES).splitlines():
            rows = json.loads(line)
            for row in rows if isinstance(rows, list) else [rows]:
                is_ready = row["State"] == "running" and row.get("Health", "") in {"", "healthy"}
                conditions.append(Condition(row["Service"], None, is_ready=is_ready, where=row["State"]))
        return conditions

    def gateway(self) -> tuple[str, int]:
        """See Runtime."""
        return "127.0.0.1", self._port("API_PORT", self._around.gateway.port)

    def console(self) -> Console | None:
        """See Runtime."""
        if self._around.brings_broker:
            return None
        port = self._port("RABBITMQ_CONSOLE_PORT", CONSOLE_PORT)
        return Console(f"http://127.0.0.1:{port}", "operator", self._environment()["RABBITMQ_OPERATOR_PASSWORD"])

    def make_tokens(self, count: int, *, only_if_none: bool, description: str) -> None:
        """See Runtime."""
        words = ["create", "--count", str(count), "--description", description]
        condition = ["--if-none"] if only_if_none else []
        said = self._output("run", "--rm", "--no-TTY", "tokens", "gateway", "tokens", *words, *condition)
        if tokens := _TOKEN.findall(said):
            write_private(self._folder.tokens, "".join(f"{token}\n" for token in tokens))

    def fetch(self, command: str) -> int:
        """See Runtime."""
        fetching = self.command(["fetcher", command])
        return subprocess.run(fetching.words, env=fetching.environment, cwd=self._root, check=False).returncode  # noqa: S603 - fixed words

    def command(self, words: Sequence[str]) -> Invocation:
        """See Runtime."""
        container = _CONTAINER_OF.get(" ".join(words[:2])) or _CONTAINER_OF.get(words[0], words[0])
        return self._invocation("run", "--rm", container, *words)

    def psql(self) -> Invocation:
        """See Runtime.

        Raises:
            LocalError: The database is none of ours.
        """
        if self._around.brings_database:
            raise LocalError("the database is not ours: use psql with the address in .env")
        database = self._around.database
        return self._invocation("exec", "postgres", "psql", "--username", database.user, database.name)

    def transfer(self, verb: Transfer, folder: Path, *options: str) -> Invocation:
        """See Runtime; the container works as whoever calls this, so that the files are theirs."""
        who, where = f"{os.getuid()}:{os.getgid()}", f"{folder.parent}:/dumps"
        words = ["run", "--rm", "--build", f"--user={who}", f"--volume={where}", "transfer"]
        return self._invocation(*words, "feedmill", verb, f"/dumps/{folder.name}", *options)

    def start_database(self) -> None:
        """See Runtime.

        Raises:
            LocalError: Compose says that it is not ready.
        """
        if not self._around.brings_database:
            self._output("up", "--detach", "--wait", "postgres")

    def stop_services(self) -> None:
        """See Runtime.

        Raises:
            LocalError: Compose says that they do not stop.
        """
        self._output("stop", *SERVICES)

    def logs(self) -> Invocation:
        """See Runtime."""
        return self._invocation("logs", "--follow", "--tail", "20")

    def _invocation(self, *words: str, profiles: Sequence[str] | None = None) -> Invocation:
        return Invocation(["docker", "compose", *words], self._environment(profiles))

    def _ended(self, *words: str) -> list[str]:
        running = [condition.name for condition in self.conditions() if condition.is_ready]
        self._output(*words, profiles=ALL_PROFILES)
        return running

    def _output(self, *words: str, profiles: Sequence[str] | None = None) -> str:
        """Run Compose and return what it prints.

        Raises:
            LocalError: Its exit code is not 0; the text is what it said last.
        """
        asked = self._invocation(*words, profiles=profiles)
        done = subprocess.run(  # noqa: S603 - fixed words
            asked.words, env=asked.environment, cwd=self._root, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LocalError(f"docker compose {words[0]}: {last_error(done.stderr or done.stdout)}")
        return done.stdout

    def _environment(self, profiles: Sequence[str] | None = None) -> dict[str, str]:
        """Return the given environment, with what it lacks: profiles, ports, passwords and keys."""
        made = {f"RABBITMQ_{user}_PASSWORD" for user in USERS} | {"SECRET_KEY"}
        if not self._around.brings_database:
            made |= {"DB_PASSWORD", *SERVICE_PASSWORDS.values()}
        given = {name: value for name, value in self._around.environment.items() if value}
        environment = {name: self._folder.secret(name) for name in sorted(made - given.keys())} | given
        if not self._around.brings_upstream:
            environment |= {"CHE168_BASE_URL": UPSTREAM_URL, "CHE168_API_KEY": UPSTREAM_KEY}
        if self._around.plays_shop:
            environment["SHOP_API_URL"] = SHOP_URL
        ports = {name: str(port) for name, port in self._folder.state.ports.items() if name.isupper()}
        chosen = self._profiles if profiles is None else profiles
        return environment | ports | {"COMPOSE_PROFILES": ",".join(chosen)}

    def _port(self, name: str, preferred: int) -> int:
        return self._folder.state.ports.get(name) or int(self._around.environment.get(name) or preferred)

    def _choose_port(self, name: str, preferred: int) -> None:
        wanted = int(self._around.environment.get(name) or preferred)
        ports = self._folder.state.ports
        ports[name] = choose(wanted if is_free(wanted) else ports.get(name))
        if ports[name] != wanted:
            say(f"port {wanted} is taken: {ports[name]} is used instead ({name})", level="WARNING")
        self._folder.save()


def _succeeds(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            words, env=environment, capture_output=True, timeout=ENGINE_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
