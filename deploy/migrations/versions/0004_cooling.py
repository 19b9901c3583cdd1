"""leads cool down

Revision ID: 0004
Revises: 0003

A column and no table of timers: a lead has one such moment, which changes with its row and in the same statement. The
index holds only leads that will cool, and a lead that stays out of it is still updated in place.

Of leads that are there already the moment is not known: the router's timer reckons it at its first look, as for all
that are due.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leads", sa.Column("taken", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("leads", "taken", server_default=None)
    op.add_column("leads", sa.Column("cools_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE leads SET taken = sal_at IS NOT NULL, cools_at = CASE WHEN sal_at IS NULL THEN score_at END "
        "WHERE sal_at IS NOT NULL OR furthest > 2"
    )
    op.create_index(
        op.f("ix_leads_lane_cools_at"),
        "leads",
        ["lane", "cools_at"],
        unique=False,
        postgresql_where=sa.text("cools_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_leads_lane_cools_at"), table_name="leads")
    op.drop_column("leads", "cools_at")
    op.drop_column("leads", "taken")
