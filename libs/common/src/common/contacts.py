"""Names that lead to a person: the catalogue takes over nothing under them, and `/api/v2` gives out nothing."""

import re
from typing import Final

CONTACT: Final = re.compile(
    r"phone|mobile|wechat|whats|contact|e-?mail|(?<![a-z])(?:tel|qq)(?![a-z])|电话|手机|微信", re.IGNORECASE
)
"""Found in a key, or in a text that may hold such keys. `tel` and `qq` are no part of a longer word: not in `hotel`."""
