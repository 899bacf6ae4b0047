"""feedmill on one machine without the outside world."""
