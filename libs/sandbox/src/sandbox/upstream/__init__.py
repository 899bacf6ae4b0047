"""Stand-in upstreams that keep the documented contract."""
