"""Lands raw events in PostgreSQL in transactional batches and normalises them."""
