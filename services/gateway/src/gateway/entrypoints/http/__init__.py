"""HTTP: what clients call."""
