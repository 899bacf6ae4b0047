"""A zone in which no day ends, and no nightly job is due, while a test of real processes runs."""

from datetime import UTC, datetime

NOON = 12


def noon_zone() -> str:
    """Return the name of the zone whose clocks show between twelve and one now; its date is that of UTC."""
    hour = datetime.now(UTC).hour  # noqa: TID251 - real processes have the machine's clock
    return f"Etc/GMT{hour - NOON:+d}"  # these names count westwards
