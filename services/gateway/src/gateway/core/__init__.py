"""Rules of the gateway; no I/O."""
