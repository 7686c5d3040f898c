"""The platform's tables, as its application sees them.

Belongs here: columns, keys and allowed values. Not here: what may leave the platform (contracts/), how the schema came to be
(migrations/). A column of an `Encrypted…` type is ciphertext in the database; which plain ones must not leave either, the contracts say.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

from demo.platform.crypto import EncryptedDate, EncryptedInteger, EncryptedText

STATUSES_OF_CUSTOMERS = ("active", "closed", "deceased")
PREFERRED_CHANNELS = ("email", "sms", "phone", "letter")
SECTORS = ("bank", "card", "telecom", "utility", "retail", "public")
PRODUCTS = ("credit_card", "loan", "overdraft", "telecom", "utility", "council_tax", "store_card")
STATUSES_OF_DEBTS = ("open", "in_plan", "settled", "written_off", "returned")
STATUSES_OF_PLANS = ("proposed", "active", "completed", "broken", "cancelled")
FREQUENCIES = ("weekly", "fortnightly", "monthly")
METHODS = ("direct_debit", "card", "bank_transfer", "cash")
STATUSES_OF_PAYMENTS = ("pending", "succeeded", "failed", "refunded")
FAILURE_REASONS = ("insufficient_funds", "card_declined", "cancelled_mandate", "expired_card", "other")
DIRECTIONS = ("inbound", "outbound")
MESSAGE_CHANNELS = ("email", "sms", "phone", "letter", "chat")
TEMPLATES = ("welcome", "reminder", "plan_offer", "receipt", "missed_payment", "closing")
STATUSES_OF_MESSAGES = ("queued", "sent", "delivered", "bounced", "read")
KINDS = (
    "physical_health",
    "mental_health",
    "disability",
    "bereavement",
    "job_loss",
    "domestic_abuse",
    "gambling",
    "caring",
)
SEVERITIES = ("low", "medium", "high")


class Base(DeclarativeBase):
    """The base of the platform's models."""

    type_annotation_map = {str: Text(), int: BigInteger(), datetime: DateTime(timezone=True)}


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """A check that a text column holds one of the values (NULL passes, as SQL has it)."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def primary_key() -> MappedColumn[int]:
    return mapped_column(BigInteger, Identity(always=False), primary_key=True)


def moment(**options: Any) -> MappedColumn[datetime]:
    return mapped_column(DateTime(timezone=True), server_default=func.now(), **options)


class Customer(Base):
    """A person with debts."""

    __tablename__ = "customers"
    __table_args__ = (one_of("status", STATUSES_OF_CUSTOMERS), one_of("preferred_channel", PREFERRED_CHANNELS))

    id: Mapped[int] = primary_key()
    full_name: Mapped[str] = mapped_column(EncryptedText)
    email: Mapped[str | None] = mapped_column(EncryptedText)
    phone: Mapped[str | None] = mapped_column(EncryptedText)
    date_of_birth: Mapped[date] = mapped_column(EncryptedDate)
    address: Mapped[str | None] = mapped_column(EncryptedText)
    postcode: Mapped[str | None] = mapped_column(EncryptedText)
    status: Mapped[str]
    preferred_channel: Mapped[str]
    marketing_consent: Mapped[bool]
    created_at: Mapped[datetime] = moment()
    updated_at: Mapped[datetime] = moment()


class Creditor(Base):
    """A client of the company, which places its debtors' debts."""

    __tablename__ = "creditors"
    __table_args__ = (one_of("sector", SECTORS),)

    id: Mapped[int] = primary_key()
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column()
    sector: Mapped[str]
    contact_email: Mapped[str] = mapped_column(EncryptedText)
    created_at: Mapped[datetime] = moment()


class Debt(Base):
    """What a customer owes to a creditor."""

    __tablename__ = "debts"
    __table_args__ = (
        one_of("product", PRODUCTS),
        one_of("status", STATUSES_OF_DEBTS),
        CheckConstraint("principal_pence > 0", name="principal_positive"),
        CheckConstraint("balance_pence >= 0", name="balance_not_negative"),
        Index("debts_customer_id", "customer_id"),
        Index("debts_status", "status", "id"),
    )

    id: Mapped[int] = primary_key()
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    creditor_id: Mapped[int] = mapped_column(ForeignKey("creditors.id"))
    account_reference: Mapped[str] = mapped_column(EncryptedText)
    product: Mapped[str]
    principal_pence: Mapped[int]
    balance_pence: Mapped[int]
    status: Mapped[str]
    placed_on: Mapped[date]
    closed_on: Mapped[date | None]
    updated_at: Mapped[datetime] = moment()


class Plan(Base):
    """A repayment arrangement for one debt."""

    __tablename__ = "plans"
    __table_args__ = (
        one_of("status", STATUSES_OF_PLANS),
        one_of("frequency", FREQUENCIES),
        CheckConstraint("instalment_pence > 0 AND instalments > 0", name="instalments_positive"),
        Index("plans_debt_id", "debt_id"),
        Index("plans_status", "status", "id"),
    )

    id: Mapped[int] = primary_key()
    debt_id: Mapped[int] = mapped_column(ForeignKey("debts.id"))
    status: Mapped[str]
    frequency: Mapped[str]
    instalment_pence: Mapped[int]
    instalments: Mapped[int]
    monthly_income: Mapped[int | None] = mapped_column(EncryptedInteger)
    notes: Mapped[str | None] = mapped_column(EncryptedText)
    started_on: Mapped[date | None]
    ended_on: Mapped[date | None]
    updated_at: Mapped[datetime] = moment()


class Payment(Base):
    """One instalment of a plan, due or paid."""

    __tablename__ = "payments"
    __table_args__ = (
        one_of("method", METHODS),
        one_of("status", STATUSES_OF_PAYMENTS),
        one_of("failure_reason", FAILURE_REASONS),
        CheckConstraint("amount_pence > 0", name="amount_positive"),
        Index("payments_plan_id", "plan_id"),
        Index("payments_status", "status", "id"),
    )

    id: Mapped[int] = primary_key()
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id", ondelete="CASCADE"))
    amount_pence: Mapped[int]
    method: Mapped[str]
    status: Mapped[str]
    failure_reason: Mapped[str | None]
    bank_account: Mapped[str | None] = mapped_column(EncryptedText)
    due_on: Mapped[date]
    paid_on: Mapped[date | None]
    created_at: Mapped[datetime] = moment()


class Message(Base):
    """What was said to a customer, or by one."""

    __tablename__ = "messages"
    __table_args__ = (
        one_of("direction", DIRECTIONS),
        one_of("channel", MESSAGE_CHANNELS),
        one_of("template", TEMPLATES),
        one_of("status", STATUSES_OF_MESSAGES),
        Index("messages_customer_id", "customer_id"),
        Index("messages_in_reply_to", "in_reply_to"),
        Index("messages_status", "status", "id"),
    )

    id: Mapped[int] = primary_key()
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    direction: Mapped[str]
    channel: Mapped[str]
    template: Mapped[str | None]
    body: Mapped[str] = mapped_column(EncryptedText)
    in_reply_to: Mapped[int | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"))
    status: Mapped[str | None]
    sent_at: Mapped[datetime] = moment()


class Circumstance(Base):
    """Something in a customer's life that the company must take into account; at most one of a kind at a time."""

    __tablename__ = "circumstances"
    __table_args__ = (
        one_of("kind", KINDS),
        one_of("severity", SEVERITIES),
        Index("circumstances_customer_id", "customer_id"),
        Index("circumstances_current", "customer_id", "kind", unique=True, postgresql_where=text("lifted_on IS NULL")),
    )

    id: Mapped[int] = primary_key()
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    kind: Mapped[str]
    severity: Mapped[str]
    note: Mapped[str | None] = mapped_column(EncryptedText)
    recorded_on: Mapped[date]
    lifted_on: Mapped[date | None]
