"""The gateway as `gateway run` starts it, which also tells how many tasks it has when it gets SIGUSR1."""

import asyncio
import signal
import sys

import uvloop

from common import log
from common.clock import SystemClock
from gateway.app import serve
from gateway.settings import load_settings


def _tell() -> None:
    sys.stderr.write(f"tasks={len(asyncio.all_tasks())}\n")
    sys.stderr.flush()


async def _serve() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell)
    await serve(load_settings(), SystemClock())


def main() -> None:
    """Run it."""
    log.configure("gateway")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())


if __name__ == "__main__":
    main()
