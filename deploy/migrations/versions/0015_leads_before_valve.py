"""leads before a valve: found without their total, or each new score of any lead would be written into every index

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME, WHERE = "ix_leads_before_valve", sa.text("valve_stage IS NOT NULL AND valve_over IS NULL")


def upgrade() -> None:
    op.drop_index(NAME, "leads")
    op.create_index(NAME, "leads", ["valve_stage"], postgresql_where=WHERE)


def downgrade() -> None:
    op.drop_index(NAME, "leads")
    op.create_index(NAME, "leads", ["valve_stage", "total"], postgresql_where=WHERE)
