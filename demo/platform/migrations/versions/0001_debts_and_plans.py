"""Customers, creditors, debts, plans and payments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        _id(),
        _encrypted("full_name"),
        _encrypted("email", nullable=True),
        _encrypted("phone", nullable=True),
        _encrypted("date_of_birth"),
        _encrypted("address", nullable=True),
        _encrypted("postcode", nullable=True),
        _text("status"),
        _text("preferred_channel"),
        sa.Column("marketing_consent", sa.Boolean, nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        _one_of("status", "active", "closed", "deceased"),
        _one_of("preferred_channel", "email", "sms", "phone", "letter"),
    )
    op.create_table(
        "creditors",
        _id(),
        sa.Column("code", sa.Text, nullable=False, unique=True),
        _text("name"),
        _text("sector"),
        _encrypted("contact_email"),
        _moment("created_at"),
        _one_of("sector", "bank", "card", "telecom", "utility", "retail", "public"),
    )
    op.create_table(
        "debts",
        _id(),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("creditor_id", sa.BigInteger, sa.ForeignKey("creditors.id"), nullable=False),
        _encrypted("account_reference"),
        _text("product"),
        sa.Column("principal_pence", sa.BigInteger, nullable=False),
        sa.Column("balance_pence", sa.BigInteger, nullable=False),
        _text("status"),
        sa.Column("placed_on", sa.Date, nullable=False),
        sa.Column("closed_on", sa.Date),
        _moment("updated_at"),
        _one_of("product", "credit_card", "loan", "overdraft", "telecom", "utility", "council_tax", "store_card"),
        _one_of("status", "open", "in_plan", "settled", "written_off", "returned"),
        sa.CheckConstraint("principal_pence > 0", name="principal_positive"),
        sa.CheckConstraint("balance_pence >= 0", name="balance_not_negative"),
    )
    op.create_index("debts_customer_id", "debts", ["customer_id"])
    op.create_table(
        "plans",
        _id(),
        sa.Column("debt_id", sa.BigInteger, sa.ForeignKey("debts.id"), nullable=False),
        _text("status"),
        _text("frequency"),
        sa.Column("instalment_pence", sa.BigInteger, nullable=False),
        sa.Column("instalments", sa.BigInteger, nullable=False),
        _encrypted("monthly_income", nullable=True),
        _encrypted("notes", nullable=True),
        sa.Column("started_on", sa.Date),
        sa.Column("ended_on", sa.Date),
        _moment("updated_at"),
        _one_of("status", "proposed", "active", "completed", "broken", "cancelled"),
        _one_of("frequency", "weekly", "fortnightly", "monthly"),
        sa.CheckConstraint("instalment_pence > 0 AND instalments > 0", name="instalments_positive"),
    )
    op.create_index("plans_debt_id", "plans", ["debt_id"])
    op.create_table(
        "payments",
        _id(),
        sa.Column("plan_id", sa.BigInteger, sa.ForeignKey("plans.id", ondelete="CASCADE"), nullable=False),
        sa.Column("amount_pence", sa.BigInteger, nullable=False),
        _text("method"),
        _text("status"),
        sa.Column("failure_reason", sa.Text),
        _encrypted("bank_account", nullable=True),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("paid_on", sa.Date),
        _moment("created_at"),
        _one_of("method", "direct_debit", "card", "bank_transfer", "cash"),
        _one_of("status", "pending", "succeeded", "failed", "refunded"),
        _one_of("failure_reason", "insufficient_funds", "card_declined", "cancelled_mandate", "expired_card", "other"),
        sa.CheckConstraint("amount_pence > 0", name="amount_positive"),
    )
    op.create_index("payments_plan_id", "payments", ["plan_id"])


def downgrade() -> None:
    for table in ("payments", "plans", "debts", "creditors", "customers"):
        op.drop_table(table)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _encrypted(name: str, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=nullable)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")
