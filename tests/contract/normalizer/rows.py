"""Raw rows of a shop."""

import json
from typing import Any

from common.events import InnerId
from common.testing.products import SHOP
from normalizer.core.merge import RawRow


def a_product_row(data: dict[str, Any] | bytes, *, inner_id: str = "1", seq: int = 1, active: bool = True) -> RawRow:
    """Return the raw row of a product, seen whole in the snapshot `seq`."""
    return RawRow(
        platform=SHOP,
        inner_id=InnerId(inner_id),
        data=data if isinstance(data, bytes) else json.dumps(data).encode(),
        change_type="added" if active else "removed",
        source="snapshot",
        source_id=None,
        created_at=None,
        active=active,
        base_seq=seq,
        base_sight=1,
        field_seq={},
        active_seq=seq,
        max_seq=seq,
        loose={},
    )
