"""Indexes by status, for the daily jobs; and the values that are gone, for the leak scan, in a schema of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("debts", "plans", "payments", "messages")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"{table}_status", table, ["status", "id"])
    # Values that were overwritten, deleted or rolled back, encrypted: they must not be found in the lake either.
    op.execute("CREATE SCHEMA demo")
    op.create_table(
        "gone_values",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        schema="demo",
    )


def downgrade() -> None:
    op.drop_table("gone_values", schema="demo")
    op.execute("DROP SCHEMA demo")
    for table in TABLES:
        op.drop_index(f"{table}_status", table)
