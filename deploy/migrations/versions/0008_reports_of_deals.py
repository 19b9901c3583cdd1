"""what reports tell of deals: their status, from what happened to them when

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)
_STATUS = """CASE
WHEN won_at >= COALESCE(lost_at, won_at) THEN 'won'::text
WHEN lost_at >= COALESCE(GREATEST(registered_at, quoted_at, stalled_at), lost_at) THEN 'lost'::text
WHEN stalled_at >= COALESCE(GREATEST(registered_at, quoted_at, lost_at), stalled_at) THEN 'stalled'::text
WHEN quoted_at IS NOT NULL THEN 'quoted'::text
ELSE 'registered'::text END"""


def upgrade() -> None:
    # A deal may be reported before the first score of its lead.
    op.drop_constraint("fk_deals_lead_id", "deals", type_="foreignkey")
    op.drop_column("deals", "status")
    for name in ("quoted_at", "stalled_at"):
        op.add_column("deals", sa.Column(name, _time))
    op.add_column("deals", sa.Column("status", sa.Text(), sa.Computed(_STATUS, persisted=True)))
    op.add_column("reports", sa.Column("seq", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("reports", "seq")
    for name in ("status", "stalled_at", "quoted_at"):
        op.drop_column("deals", name)
    op.add_column("deals", sa.Column("status", sa.Text()))
    op.execute("DELETE FROM deals d WHERE NOT EXISTS (SELECT 1 FROM leads l WHERE l.lead_id = d.lead_id)")
    op.create_foreign_key("fk_deals_lead_id", "deals", "leads", ["lead_id"], ["lead_id"])
