"""webhooks: who gets messages by HTTP, and what waits for them

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("departments", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("teams", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("old_secret", sa.Text()),
        sa.Column("old_secret_until", _time),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("disabled_at", _time),
        sa.Column("disabled_reason", sa.Text()),
        sa.Column("failing_since", _time),
        sa.Column("last_error", sa.Text()),
        sa.Column("last_error_at", _time),
        sa.PrimaryKeyConstraint("webhook_id", name="pk_webhooks"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_failed_at", _time),
        sa.Column("next_attempt_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "position", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.webhook_id"], ondelete="CASCADE", name="fk_webhook_deliveries_webhook_id"
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_webhook_id_next_attempt_at", "webhook_deliveries", ["webhook_id", "next_attempt_at"]
    )
    op.create_index(
        "ix_webhook_deliveries_webhook_id_lead_id_position",
        "webhook_deliveries",
        ["webhook_id", "lead_id", "position"],
    )
    op.create_index("ix_webhook_deliveries_lead_id", "webhook_deliveries", ["lead_id"])


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
