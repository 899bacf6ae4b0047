"""What calls the normalizer."""
