"""the ledger

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATUS = (
    "status IN ('waiting', 'offered', 'accepted', 'completed', 'rejected', "
    "'expired', 'returned', 'withdrawn', 'merged')"
)


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lead_id", "field", name=op.f("pk_contacts")),
    )
    op.create_index(
        "ix_contacts_email",
        "contacts",
        [sa.literal_column("lower(value)")],
        unique=False,
        postgresql_where=sa.text("field = 'email'"),
    )
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reached", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("furthest", sa.Integer(), nullable=False),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column("line_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("score_seq", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("handoffs", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("medium", sa.Text(), nullable=True),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mql_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sal_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sql_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("total", sa.Float(), nullable=False),
        sa.Column("score_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("acquired_at IS NULL OR department IS NOT NULL", name=op.f("ck_leads_owned")),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_leads")),
    )
    op.create_index(op.f("ix_leads_department_stage"), "leads", ["department", "stage"], unique=False)
    op.create_index(op.f("ix_leads_stage"), "leads", ["stage"], unique=False)
    op.create_table(
        "offsets",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("next_offset >= 0", name=op.f("ck_offsets_not_negative")),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_offsets")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_lane_id"), "outbox", ["lane", "id"], unique=False)
    op.create_table(
        "deals",
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("deal_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("inside_sales", sa.Text(), nullable=True),
        sa.Column("field_sales", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("won_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.lead_id"], name=op.f("fk_deals_lead_id")),
        sa.PrimaryKeyConstraint("lead_id", "deal_id", name=op.f("pk_deals")),
    )
    op.create_table(
        "handoffs",
        sa.Column("handoff_id", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("giver", sa.Text(), nullable=False),
        sa.Column("giver_team", sa.Text(), nullable=True),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("respond_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("reject_reason", sa.Text(), nullable=True),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(status = 'rejected') = (reject_reason IS NOT NULL)", name=op.f("ck_handoffs_rejected_with_reason")
        ),
        sa.CheckConstraint(
            _STATUS,
            name=op.f("ck_handoffs_status"),
        ),
        sa.CheckConstraint("giver <> receiver", name=op.f("ck_handoffs_two_departments")),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.lead_id"], name=op.f("fk_handoffs_lead_id")),
        sa.PrimaryKeyConstraint("handoff_id", name=op.f("pk_handoffs")),
    )
    op.create_index(op.f("ix_handoffs_lead_id"), "handoffs", ["lead_id"], unique=False)
    op.create_index(op.f("ix_handoffs_receiver_status"), "handoffs", ["receiver", "status"], unique=False)
    op.create_index(
        "one_open_handoff",
        "handoffs",
        ["lead_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('waiting', 'offered', 'accepted')"),
    )
    op.create_table(
        "stage_changes",
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.lead_id"], name=op.f("fk_stage_changes_lead_id")),
        sa.PrimaryKeyConstraint("lead_id", "seq", name=op.f("pk_stage_changes")),
    )
    op.create_table(
        "handoff_changes",
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("handoff_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            _STATUS,
            name=op.f("ck_handoff_changes_status"),
        ),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoffs.handoff_id"], name=op.f("fk_handoff_changes_handoff_id")),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.lead_id"], name=op.f("fk_handoff_changes_lead_id")),
        sa.PrimaryKeyConstraint("lead_id", "seq", name=op.f("pk_handoff_changes")),
        sa.UniqueConstraint("handoff_id", "status", name=op.f("uq_handoff_changes_handoff_id_status")),
    )


def downgrade() -> None:
    op.drop_table("handoff_changes")
    op.drop_table("stage_changes")
    op.drop_index(
        "one_open_handoff",
        table_name="handoffs",
        postgresql_where=sa.text("status IN ('waiting', 'offered', 'accepted')"),
    )
    op.drop_index(op.f("ix_handoffs_receiver_status"), table_name="handoffs")
    op.drop_index(op.f("ix_handoffs_lead_id"), table_name="handoffs")
    op.drop_table("handoffs")
    op.drop_table("deals")
    op.drop_index(op.f("ix_outbox_lane_id"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("offsets")
    op.drop_index(op.f("ix_leads_stage"), table_name="leads")
    op.drop_index(op.f("ix_leads_department_stage"), table_name="leads")
    op.drop_table("leads")
    op.drop_index("ix_contacts_email", table_name="contacts", postgresql_where=sa.text("field = 'email'"))
    op.drop_table("contacts")
