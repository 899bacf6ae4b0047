"""What every database session sets, whoever opens it. Free of SQLAlchemy, which a lean process need not load."""

from common.settings import DatabaseSettings


def server_settings(settings: DatabaseSettings, *, application: str) -> dict[str, str]:
    """Return what every session sets: its name, UTC, and bounds on statements, locks and idle transactions."""
    return {
        "application_name": application,
        "timezone": "UTC",
        "statement_timeout": str(round(settings.statement_timeout_s * 1000)),
        "lock_timeout": str(round(settings.lock_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
    }
