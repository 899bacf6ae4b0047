"""What calls the fetcher."""
