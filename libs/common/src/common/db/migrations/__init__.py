"""Alembic's environment and revisions; one head."""
