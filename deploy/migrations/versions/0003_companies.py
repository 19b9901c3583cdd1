"""companies: what contact data names, in one spelling

Revision ID: 0003
Revises: 0002

`tasuki db upgrade` derives the values of the rows that exist (`services/router/canonical.py`), and again whenever it
runs, as newer lists of mail domains may say otherwise.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


_COMPANY = "canonical <> '' AND field IN ('email', 'company.name')"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("canonical", sa.Text(), server_default="", nullable=False))
    op.create_index("ix_contacts_company", "contacts", ["canonical"], unique=False, postgresql_where=sa.text(_COMPANY))


def downgrade() -> None:
    op.drop_index("ix_contacts_company", table_name="contacts", postgresql_where=sa.text(_COMPANY))
    op.drop_column("contacts", "canonical")
