"""`GET /offers/{inner_id}/provenance`: one offer, by its id and platform, for who has a token."""

import pytest
from tests.contract.gateway.fakes import a_client, some_parts
from tests.contract.gateway.records import FakeProvenance

pytestmark = pytest.mark.unit

ONE, TWO = FakeProvenance("che168"), FakeProvenance("encar", "che168")
ANSWERS = {
    "one platform has it": (ONE, "/offers/1/provenance", 200),
    "the platform is named": (TWO, "/offers/1/provenance?platform=encar", 200),
    "several have it": (TWO, "/offers/1/provenance", 409),
    "nobody has it": (TWO, "/offers/2/provenance", 404),
    "another platform has it": (ONE, "/offers/1/provenance?platform=encar", 404),
    "an unknown parameter": (ONE, "/offers/1/provenance?platfrom=encar", 422),
    "an id with a control character": (ONE, "/offers/%00/provenance", 422),
}


@pytest.mark.parametrize(("reader", "path", "status"), ANSWERS.values(), ids=ANSWERS)
async def test_an_offer_is_found_as_it_is_found_itself(reader: FakeProvenance, path: str, status: int) -> None:
    async with a_client(await some_parts(provenance=reader)) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"platform": "encar" if "encar" in path else "che168", "inner_id": "1"}
    if status == 409:
        assert answer.json()["platforms"] == ["che168", "encar"]


async def test_a_token_is_needed() -> None:
    async with a_client(await some_parts(provenance=ONE), token=None) as client:
        assert (await client.get("/offers/1/provenance")).status_code == 401
