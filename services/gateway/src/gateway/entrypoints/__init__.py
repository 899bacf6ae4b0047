"""What calls the gateway."""
