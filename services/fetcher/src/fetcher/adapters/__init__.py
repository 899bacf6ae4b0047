"""What the fetcher calls."""
