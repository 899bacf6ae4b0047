"""The tables of those who may ask the gateway: tokens, and what each has spent of its limit."""

from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, Identity, String, Table, Text, func

from common.db.tables import metadata

__all__ = ["api_tokens", "metadata", "rate_limits"]

api_tokens: Final = Table(
    "api_tokens",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("token", String(64), nullable=False, unique=True, comment="HMAC-SHA-256 of the token, hex; never the token"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True)),
    Column("description", Text),
    Column("last_used_at", DateTime(timezone=True)),
    postgresql_with={"fillfactor": "70"},
)

rate_limits: Final = Table(
    "rate_limits",
    metadata,
    Column("token_id", BigInteger, primary_key=True, autoincrement=False),
    Column("full_at", DateTime(timezone=True), nullable=False, comment="when all that was spent is earned back"),
    prefixes=["UNLOGGED"],
    postgresql_with={"fillfactor": "50"},
    comment="Of each token, for all gateways; only take_quota() writes it",
)
