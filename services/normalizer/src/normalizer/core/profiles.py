"""What the normalizer knows of its platforms, of either family."""

from collections.abc import Mapping

from normalizer.core.offers.record import PlatformProfile
from normalizer.core.products.record import ShopProfile

Profiles = Mapping[str, PlatformProfile | ShopProfile]
"""Platform → what its fields mean."""
