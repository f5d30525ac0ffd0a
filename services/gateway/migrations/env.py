"""What Alembic loads for each command: one connection, whose transaction the caller commits."""

from alembic import context

from services.gateway.migrations.alembic_run import options

context.configure(**options(context.config.attributes["connection"]))
with context.begin_transaction():
    context.run_migrations()
