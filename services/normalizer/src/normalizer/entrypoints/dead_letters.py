"""Replay of dead letters: read `normalizer.raw.dead`, land what can be landed now, leave the rest where it is.

A dead letter is landed in this process, not sent back to `normalizer.raw`: what kills a consumer again and again must
not get at the running ones, and nobody needs the right to publish raw pages for it.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from common import topology
from common.amqp import connected
from common.broker_nodes import Nodes
from common.errors import InvalidEventError, UnavailableError
from common.events import PageFetched
from common.log import fields
from normalizer.core.errors import TransientError
from normalizer.entrypoints.messages import known_page

CONNECT_TIMEOUT_S: Final = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which dead letters to replay; without anything: all.

    Attributes:
        reason: Only those that died for it, such as `unknown_platform`, `not_json` or `delivery_limit`.
        message_id: Only this one.
    """

    reason: str | None = None
    message_id: str | None = None

    def takes(self, message: AbstractIncomingMessage) -> bool:
        """Return whether the message is meant."""
        return self.reason in {None, reason_of(message)} and self.message_id in {None, message.message_id}


def reason_of(message: AbstractIncomingMessage) -> str:
    """Return why a message died: our header, or the broker's; `unknown` where neither says."""
    own = message.headers.get("x-reason") or message.headers.get("x-first-death-reason")
    return str(own) if own else "unknown"


async def replay(
    nodes: Nodes, wish: Wish, *, platforms: frozenset[str], land: Callable[[list[PageFetched]], Awaitable[object]]
) -> Counter[str]:
    """Land the dead letters that are meant, one at a time, each acknowledged after its commit.

    Those that are not meant, are refused as before, or make landing fail, stay in the queue; so does what is in hand
    when this fails.

    Args:
        nodes: URLs of the broker's nodes, with user, password, vhost and connection name.
        wish: Which ones.
        platforms: What this normalizer can normalise.
        land: Returns when every record is committed.

    Returns:
        Counts: `replayed`, `invalid` (meant, and refused as before), `failed` (a defect of ours), `others`.

    Raises:
        UnavailableError: The broker does not answer, or has no such queue.
        TransientError: The database is away; replayed ones stay replayed.
    """
    counts: Counter[str] = Counter()
    try:
        async with await connected(nodes, timeout_s=CONNECT_TIMEOUT_S) as connection, connection.channel() as channel:
            queue = await channel.declare_queue(topology.DEAD_QUEUE, passive=True)
            for _ in range(queue.declaration_result.message_count or 0):
                message = await queue.get(fail=False)
                if message is None:
                    break
                counts[await _settled(message, wish, platforms, land)] += 1
            # Closing the channel gives back what was not acknowledged.
    except ChannelNotFoundEntity as error:
        raise UnavailableError(f"broker has no queue {topology.DEAD_QUEUE}: load the definitions") from error
    except (AMQPError, OSError) as error:
        raise UnavailableError(f"broker {nodes}: {type(error).__name__}") from error
    return counts


async def _settled(
    message: AbstractIncomingMessage,
    wish: Wish,
    platforms: frozenset[str],
    land: Callable[[list[PageFetched]], Awaitable[object]],
) -> str:
    if not wish.takes(message):
        return "others"
    try:
        page = known_page(message.body, platforms)
    except InvalidEventError as error:
        said = {"reason": error.reason, "detail": error.detail, "message_id": message.message_id}
        _log.error(fields("Dead letter is refused as before", **said))
        return "invalid"
    try:
        await land([page])
    except TransientError:
        raise
    except Exception:  # noqa: BLE001 - it is told of, and those behind it are not to blame
        _log.exception(fields("Dead letter cannot be landed", message_id=message.message_id))
        return "failed"
    await message.ack()
    _log.info(fields("Dead letter landed", message_id=message.message_id, records=len(page.records)))
    return "replayed"
