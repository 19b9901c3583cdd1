"""leads that are part of another one

Revision ID: 0005
Revises: 0004

A row stays for each id that was a lead once: whoever asks for it finds the lead, and contact data told under it is the
lead's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leads", sa.Column("merged_into", sa.Text(), nullable=True))
    op.create_index(
        "ix_leads_merged_into", "leads", ["merged_into"], postgresql_where=sa.text("merged_into IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_leads_merged_into", "leads")
    op.drop_column("leads", "merged_into")
