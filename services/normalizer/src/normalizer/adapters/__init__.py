"""What the normalizer calls: PostgreSQL."""
