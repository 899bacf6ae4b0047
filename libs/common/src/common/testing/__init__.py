"""Fakes and builders for tests; production code never imports them."""
