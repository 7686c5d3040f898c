"""Messages and circumstances."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customers.id", ondelete="CASCADE"), nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("template", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("in_reply_to", sa.BigInteger, sa.ForeignKey("messages.id", ondelete="SET NULL")),
        sa.Column("status", sa.Text),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        _one_of("direction", "inbound", "outbound"),
        _one_of("channel", "email", "sms", "phone", "letter", "chat"),
        _one_of("template", "welcome", "reminder", "plan_offer", "receipt", "missed_payment", "closing"),
        _one_of("status", "queued", "sent", "delivered", "bounced", "read"),
    )
    op.create_index("messages_customer_id", "messages", ["customer_id"])
    # Deleting a message looks for its replies: without the index a delete reads the whole table.
    op.create_index("messages_in_reply_to", "messages", ["in_reply_to"])
    op.create_table(
        "circumstances",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customers.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("note", sa.LargeBinary),
        sa.Column("recorded_on", sa.Date, nullable=False),
        sa.Column("lifted_on", sa.Date),
        _one_of(
            "kind",
            "physical_health",
            "mental_health",
            "disability",
            "bereavement",
            "job_loss",
            "domestic_abuse",
            "gambling",
            "caring",
        ),
        _one_of("severity", "low", "medium", "high"),
    )
    op.create_index("circumstances_customer_id", "circumstances", ["customer_id"])
    op.create_index(
        "circumstances_current",
        "circumstances",
        ["customer_id", "kind"],
        unique=True,
        postgresql_where=sa.text("lifted_on IS NULL"),
    )


def downgrade() -> None:
    for table in ("circumstances", "messages"):
        op.drop_table(table)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")
