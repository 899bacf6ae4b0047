"""Run the revisions on the connection that `common.db.migrate` hands over."""

from alembic import context

from common.db.shop_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
