"""`sandbox stack up | down | env`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from sandbox.stack.errors import StackError
from sandbox.stack.stack import DEFAULT_FOLDER, REPLICA, SERVERS, Stack, shell_lines

_Action = Callable[[argparse.Namespace], int]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `stack` and its actions to the command line of `sandbox`."""
    parser = commands.add_parser("stack", help="a private RabbitMQ and PostgreSQL on this machine")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, action, meaning in (
        ("up", _up, "start both, or what of them does not run, and wait until they are ready"),
        ("down", _down, "stop exactly what 'up' started"),
        ("env", _env, "print the variables that point the services there"),
    ):
        one = actions.add_parser(name, help=meaning, description=meaning)
        one.add_argument("--state", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="default: .local/stack")
        if name == "up":
            one.add_argument(
                "--replica", action="store_true", help="and a streaming replica of the PostgreSQL for reads"
            )
            one.add_argument(
                "--brokers", type=_one_or_three, metavar="N", help="nodes of RabbitMQ: 1 (default) or 3, with quorum"
            )
        if name == "down":
            one.add_argument("--delete-data", action="store_true", help="remove the data and passwords as well")
        one.set_defaults(run=_told(action))


def _told(action: _Action) -> _Action:
    """Return `action` with its errors as one line on standard error and exit code 1."""

    def run(options: argparse.Namespace) -> int:
        try:
            return action(options)
        except StackError as error:
            print(f"sandbox stack: {error}", file=sys.stderr)  # noqa: T201 - the answer of a command
            return 1

    return run


def _one_or_three(text: str) -> int:
    if text not in {"1", "3"}:
        raise argparse.ArgumentTypeError("1 or 3: of two nodes neither can go on without the other")
    return int(text)


def _up(options: argparse.Namespace) -> int:
    servers = (*SERVERS, REPLICA) if options.replica else SERVERS
    return _print(Stack(options.state, servers=servers, brokers=options.brokers).up())


def _down(options: argparse.Namespace) -> int:
    stack = Stack(options.state)
    ended = stack.delete_data() if options.delete_data else stack.down()
    return _print([f"stopped: {', '.join(ended)}" if ended else "nothing was running"])


def _env(options: argparse.Namespace) -> int:
    return _print(shell_lines(Stack(options.state).env()))


def _print(lines: list[str]) -> int:
    print("\n".join(lines))  # noqa: T201 - the answer of a command
    return 0
