"""Rules of the fetcher; no I/O."""
