"""hand-offs as contracts: deadlines, rotation, the valve, recycling, reports

Revision ID: 0006
Revises: 0005

A lead may be offered to a department several times: each offer is a row of its own (`previous`, `attempt`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)


def _columns() -> dict[str, list[sa.Column]]:  # type: ignore[type-arg]
    """New columns by table; a column can be added once only."""
    moments = ("stage_at", "owned_at", "due_at", "alerted_at", "contacted_at", "reminded_at", "followed_up_at")
    return {
        "leads": [
            *(sa.Column(name, _time) for name in moments),
            sa.Column("attached_to", sa.Text()),
            sa.Column("recycled", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("recycling", sa.Text()),
        ],
        "handoffs": [
            sa.Column("giver_person", sa.Text()),
            sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
            sa.Column("previous", sa.Text()),
            sa.Column("tried", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
            sa.Column("queued", sa.Text()),
            sa.Column("contact_by", _time),
            sa.Column("points", sa.Float()),
            sa.Column("valve", sa.Text()),
        ],
        "deals": [
            *(sa.Column(name, _time) for name in ("expected_at", "lost_at")),
            *(sa.Column(name, sa.Text()) for name in ("status", "product", "lost_reason", "partner", "presales")),
        ],
    }


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    # For leads that were there before, silence and follow-ups begin now. The moments are reckoned at the first look.
    op.execute(
        "UPDATE leads l SET epoch = 0, followed_up_at = now(), "
        "owned_at = CASE WHEN department IS NOT NULL THEN now() END, "
        "stage_at = COALESCE((SELECT max(at) FROM stage_changes c WHERE c.lead_id = l.lead_id), l.score_at)"
    )
    op.execute(
        "UPDATE leads SET cools_at = COALESCE(cools_at, score_at), due_at = score_at "
        "WHERE merged_into IS NULL AND furthest > 3"
    )
    op.create_index("ix_leads_lane_due_at", "leads", ["lane", "due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index(
        "ix_leads_attached_to", "leads", ["attached_to"], postgresql_where=sa.text("attached_to IS NOT NULL")
    )
    op.create_index(
        "ix_handoffs_load",
        "handoffs",
        ["receiver", "team", "person"],
        postgresql_where=sa.text("status IN ('offered', 'accepted')"),
    )
    op.create_index(
        "ix_handoffs_waiting", "handoffs", ["receiver", "team"], postgresql_where=sa.text("status = 'waiting'")
    )
    _create_teams()
    _create_reports()


def _create_teams() -> None:
    op.create_table(
        "teams",
        sa.Column("department", sa.Text()),
        sa.Column("team", sa.Text()),
        sa.Column("virtual", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("valve_step", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("valve_at", _time),
        sa.PrimaryKeyConstraint("department", "team", name="pk_teams"),
    )
    op.create_table(
        "people",
        sa.Column("department", sa.Text()),
        sa.Column("team", sa.Text()),
        sa.Column("person", sa.Text()),
        sa.Column("finish", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("department", "team", "person", name="pk_people"),
    )
    op.create_table(
        "absences",
        sa.Column("absence_id", sa.BigInteger(), sa.Identity(always=True)),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("starts_at", _time, nullable=False),
        sa.Column("ends_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("absence_id", name="pk_absences"),
        sa.CheckConstraint("starts_at < ends_at", name="takes_time"),
    )
    op.create_index("ix_absences_person_ends_at", "absences", ["person", "ends_at"])


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("report_id", sa.Text()),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("received_at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("handoff_id", sa.Text()),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name="pk_reports"),
    )
    op.create_index("ix_reports_lead_id_at", "reports", ["lead_id", "at"])


def downgrade() -> None:
    for table in ("reports", "absences", "people", "teams"):
        op.drop_table(table)
    for name, table in (("ix_handoffs_waiting", "handoffs"), ("ix_handoffs_load", "handoffs")):
        op.drop_index(name, table)
    for name in ("ix_leads_attached_to", "ix_leads_lane_due_at"):
        op.drop_index(name, "leads")
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)
