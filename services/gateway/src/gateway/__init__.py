"""Serves the catalogue; the only part that the outside sees."""
