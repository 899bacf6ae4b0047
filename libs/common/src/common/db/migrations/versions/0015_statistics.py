"""No statistics of columns that no condition, order or group names: a third of the time of ANALYZE was theirs.

ANALYZE comes as often as once a minute while offers land, and took 1.4 s of a processor from 30,000 offers on.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COLUMNS = (
    *("title", "complectation", "first_registration", "currency", "displacement_l", "power_hp", "power_kw", "address"),
    *("province", "seller_type", "salon_id", "section", "description", "url", "offer_created", "vin", "specid"),
    *("images", "options", "normalized_data", "source_created_at", "max_seq", "created_at", "updated_at"),
)


def upgrade() -> None:
    """Leave them out from the next ANALYZE on."""
    op.execute("ALTER TABLE processed_data " + ", ".join(f"ALTER {name} SET STATISTICS 0" for name in COLUMNS))
