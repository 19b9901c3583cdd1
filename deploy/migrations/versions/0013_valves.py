"""leads: what they have passed a valve with, or would pass it with

Revision ID: 0013
Revises: 0011

Where a team's valve stands is in `teams` since 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leads", sa.Column("valve_stage", sa.Text()))
    op.add_column("leads", sa.Column("valve_over", sa.Float()))
    op.create_index(
        "ix_leads_before_valve",
        "leads",
        ["valve_stage", "total"],
        postgresql_where=sa.text("valve_stage IS NOT NULL AND valve_over IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_leads_before_valve", "leads")
    op.drop_column("leads", "valve_over")
    op.drop_column("leads", "valve_stage")
