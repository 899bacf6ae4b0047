"""Rules of the normalizer; no I/O."""
