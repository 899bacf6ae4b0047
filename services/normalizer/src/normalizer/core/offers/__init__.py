"""Offers of the auto-api family: from raw JSON to one typed record. Pure functions that never raise on odd values."""
