"""Dead letters are landed when they can be, and otherwise stay exactly where they are."""

from collections.abc import Callable
from functools import partial

import pytest
from tests.integration.normalizer.road import FailingLanding, Queue, Rows, a_lander, consuming, opened_store, until
from tests.integration.normalizer.test_consuming import holds, pages, said

from common import topology
from common.broker_nodes import Nodes
from common.errors import UnavailableError
from common.events import encode
from common.settings import DatabaseSettings
from normalizer.core.errors import TransientError
from normalizer.entrypoints.dead_letters import Wish, replay
from sandbox.stack import Stack, Vhost

pytestmark = pytest.mark.integration

KNOWN = frozenset({"che168"})


async def dead(queue: Queue, vhost: Vhost, database: DatabaseSettings) -> None:
    """Let three messages die: two of a platform that is not configured yet, one that is no JSON."""
    for number, page in enumerate(pages(2)):
        await queue.publish_body(encode(page), "raw.che168.page", message_id=f"p{number}")
    await queue.publish_body(b"nonsense", "raw.che168.page", message_id="n0")
    async with consuming(vhost, database, platforms=frozenset({"encar"})):
        await until(partial(are_dead, queue, 3))


async def are_dead(queue: Queue, number: int) -> bool:
    """Return whether so many wait among the dead."""
    return await queue.ready(topology.DEAD_QUEUE) == number


@pytest.mark.parametrize(
    ("wish", "counts", "records"),
    [
        (Wish(), {"replayed": 2, "invalid": 1}, 40),
        (Wish(reason="unknown_platform"), {"replayed": 2, "others": 1}, 40),
        (Wish(message_id="p1"), {"replayed": 1, "others": 2}, 20),
        (Wish(reason="not_json"), {"invalid": 1, "others": 2}, 0),
        (Wish(reason="delivery_limit"), {"others": 3}, 0),
    ],
    ids=["all", "by reason", "one", "refused as before", "none of them"],
)
async def test_what_is_meant_and_can_be_landed_is_landed_and_the_rest_stays(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows, wish: Wish, counts: dict[str, int], records: int
) -> None:
    await dead(queue, vhost, database)
    async with opened_store(database) as store:
        found = await replay(Nodes(vhost.urls["normalizer"]), wish, platforms=KNOWN, land=a_lander(store).land)
    assert found == counts
    assert await rows.count("raw_data") == records
    await until(partial(are_dead, queue, 3 - counts.get("replayed", 0)))


async def test_a_dead_letter_is_acknowledged_after_its_commit(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    async def fail(_: object) -> None:
        raise TransientError("database away")

    await dead(queue, vhost, database)
    with pytest.raises(TransientError):
        await replay(Nodes(vhost.urls["normalizer"]), Wish(), platforms=KNOWN, land=fail)
    await until(partial(are_dead, queue, 3))
    assert await rows.count("raw_data") == 0


async def test_one_that_brings_the_normalizer_down_stays_and_the_others_are_landed(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows
) -> None:
    await dead(queue, vhost, database)
    async with opened_store(database) as store:
        landing = FailingLanding(a_lander(store), ZeroDivisionError("a defect"), times=1)
        found = await replay(Nodes(vhost.urls["normalizer"]), Wish(), platforms=KNOWN, land=landing.land)
    assert found == {"replayed": 1, "failed": 1, "invalid": 1}
    assert await rows.count("raw_data") == 20
    await until(partial(are_dead, queue, 2))


async def test_a_broker_that_is_away_is_one_clear_error() -> None:
    async def land(_: object) -> None:
        raise AssertionError

    with pytest.raises(UnavailableError, match=r"broker 127\.0\.0\.1:1"):
        await replay(Nodes("amqp://user:secret@127.0.0.1:1/feedmill"), Wish(), platforms=KNOWN, land=land)


@pytest.fixture
def make_room(vhost: Vhost, stack: Stack) -> Callable[[], object]:
    """Let the queue of dead letters take one only, until this is called."""
    console = stack.broker.management()
    definition = {"max-length": 1, "overflow": "reject-publish"}
    console.put(
        *("policies", vhost.name, "full"),
        body={"pattern": f"^{topology.DEAD_QUEUE}$", "apply-to": "queues", "priority": 50, "definition": definition},
    )
    return partial(console.delete, "policies", vhost.name, "full")


async def test_dead_letters_that_nobody_takes_hold_up_no_page(
    vhost: Vhost, database: DatabaseSettings, queue: Queue, rows: Rows, make_room: Callable[[], object]
) -> None:
    for number in range(40):
        await queue.publish_body(b"no page", message_id=str(number))
    await queue.publish(*pages(30))
    async with consuming(vhost, database):
        await until(partial(rows.are, 600))
        make_room()
        await until(partial(holds, queue, 40, topology.DEAD_QUEUE))
    assert await queue.ready() == 0


async def test_dead_letters_that_leave_no_room_for_a_page_are_told_of_and_all_goes_on_once_somebody_takes_them(
    vhost: Vhost,
    database: DatabaseSettings,
    queue: Queue,
    rows: Rows,
    make_room: Callable[[], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(40):
        await queue.publish_body(b"no page", message_id=str(number))
    await queue.publish(*pages(2))
    async with consuming(vhost, database, prefetch=3, in_flight=1):
        await until(partial(said, caplog, "No page is taken before normalizer.raw.dead has room"))
        make_room()
        await until(partial(rows.are, 40))
        await until(partial(holds, queue, 40, topology.DEAD_QUEUE))
    assert await queue.ready() == 0
