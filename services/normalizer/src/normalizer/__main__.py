"""`normalizer`: read the settings, run one command, return its exit code."""

import logging
import sys

import uvloop

from common import log
from common.errors import FeedmillError, exit_code_of
from common.settings import load
from normalizer.app import App, configure_logging
from normalizer.entrypoints.cli import Commands, Renormalizing, chosen
from normalizer.entrypoints.dead_letters import Wish
from normalizer.settings import NormalizerSettings

_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage or configuration."""
    log.configure("normalizer")

    async def run() -> int:
        return await _app().run()

    async def normalize(batch_size: int) -> int:
        return await _app().normalize(batch_size)

    async def renormalize(how: Renormalizing) -> int:
        return await _app().renormalize(how)

    async def replay_dead(wish: Wish) -> int:
        return await _app().replay_dead(wish)

    command = chosen(argv, Commands(run=run, normalize=normalize, renormalize=renormalize, replay_dead=replay_dead))
    try:
        return uvloop.run(command)
    except FeedmillError as error:
        _log.error("%s", error)
        return exit_code_of(error)


def _app() -> App:
    settings = load(NormalizerSettings)
    configure_logging(settings)
    return App(settings)


if __name__ == "__main__":
    sys.exit(main())
