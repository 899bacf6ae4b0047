"""What the gateway calls."""
