"""What the normalizer calls."""
