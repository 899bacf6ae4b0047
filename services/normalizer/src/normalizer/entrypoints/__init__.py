"""What calls the normalizer: the broker, and people on the command line."""
