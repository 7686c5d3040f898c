"""Alembic's environment: runs the revisions over the connection that `migrate` hands in."""

from __future__ import annotations

from alembic import context

from demo.platform.models import Base

with context.config.attributes["connection"].begin():
    context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
    context.run_migrations()
