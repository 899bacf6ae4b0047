"""Reads upstream marketplaces page by page and publishes raw events."""
