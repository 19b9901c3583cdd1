"""hand-offs of companies: whom a hand-off is for, and who has joined it

Revision ID: 0010
Revises: 0008

Hand-offs of before have no company, so that nobody joins them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

_OPEN = "status IN ('waiting', 'offered', 'accepted')"
_OLD = (
    "status IN ('waiting', 'offered', 'accepted', "
    "'completed', 'rejected', 'expired', 'returned', 'withdrawn', 'merged')"
)
_NEW = _OLD.replace("'merged'", "'merged', 'joined'")


def upgrade() -> None:
    op.add_column("handoffs", sa.Column("company", sa.Text()))
    op.add_column("handoffs", sa.Column("company_part", sa.Text()))
    op.add_column("handoffs", sa.Column("attached", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.create_index(
        "one_open_handoff_for_all",
        "handoffs",
        ["company", "company_part", "receiver"],
        unique=True,
        postgresql_where=sa.text(f"company_part IS NOT NULL AND {_OPEN}"),
    )
    op.create_index(
        "ix_handoffs_worked",
        "handoffs",
        ["company", "receiver", "offered_at"],
        postgresql_where=sa.text("status IN ('accepted', 'completed')"),
    )
    op.create_index(
        "ix_handoffs_of_company", "handoffs", ["company"], postgresql_where=sa.text(f"company IS NOT NULL AND {_OPEN}")
    )
    # A hand-off comes into each state once, but is joined as often as somebody joins or leaves.
    op.drop_constraint(op.f("uq_handoff_changes_handoff_id_status"), "handoff_changes")
    op.drop_constraint(op.f("ck_handoff_changes_status"), "handoff_changes")
    op.create_check_constraint(op.f("ck_handoff_changes_status"), "handoff_changes", _NEW)
    op.create_index(
        "each_status_once",
        "handoff_changes",
        ["handoff_id", "status"],
        unique=True,
        postgresql_where=sa.text("status <> 'joined'"),
    )


def downgrade() -> None:
    op.drop_index("each_status_once", "handoff_changes")
    op.execute("DELETE FROM handoff_changes WHERE status = 'joined'")
    op.drop_constraint(op.f("ck_handoff_changes_status"), "handoff_changes")
    op.create_check_constraint(op.f("ck_handoff_changes_status"), "handoff_changes", _OLD)
    op.create_unique_constraint(
        op.f("uq_handoff_changes_handoff_id_status"), "handoff_changes", ["handoff_id", "status"]
    )
    for name in ("ix_handoffs_of_company", "ix_handoffs_worked", "one_open_handoff_for_all"):
        op.drop_index(name, "handoffs")
    for name in ("attached", "company_part", "company"):
        op.drop_column("handoffs", name)
