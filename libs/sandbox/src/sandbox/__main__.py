"""`sandbox`: feedmill on one machine without the outside world."""

import argparse
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

PARTS: Final = ("sandbox.upstream.cli", "sandbox.stack.cli", "sandbox.local.cli")
"""Modules with `add_parser(commands)`, whose parsers set `run`: a function from the options to an exit code."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--version", action="version", version=f"sandbox {version('feedmill-sandbox')}")
    commands = parser.add_subparsers(dest="command", required=True)
    for part in PARTS:
        if find_spec(part):
            import_module(part).add_parser(commands)
    options = parser.parse_args(argv)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
