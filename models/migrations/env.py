"""Alembic's environment: the connection comes from models/db.py, the tables from the model modules."""

from alembic import context
from sqlmodel import SQLModel

import models.tables  # noqa: F401  (every table, so that the metadata is complete)

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
context.run_migrations()
