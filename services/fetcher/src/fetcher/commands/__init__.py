"""The commands, each put together from its use case and the adapters that it needs."""
