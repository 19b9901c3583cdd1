"""The router's ledger in Postgres. The database itself forbids what must never be: two open hand-offs for one lead."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
_time = DateTime(timezone=True)
OPEN_STATUSES = "'waiting', 'offered', 'accepted'"
_statuses = f"{OPEN_STATUSES}, 'completed', 'rejected', 'expired', 'returned', 'withdrawn', 'merged'"

leads = Table(
    "leads",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("lane", Integer, nullable=False),  # the lead's partition
    Column("stage", Text, nullable=False),
    Column("reached", ARRAY(Text), nullable=False),
    Column("furthest", Integer, nullable=False),
    Column("department", Text),
    Column("team", Text),
    Column("person", Text),
    Column("held_by", Text),
    Column("line_at", _time),
    Column("held_until", _time),
    Column("epoch", BigInteger, nullable=False),
    Column("score_seq", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("handoffs", Integer, nullable=False),
    Column("channel", Text),
    Column("medium", Text),
    Column("acquired_at", _time),
    Column("mql_at", _time),
    Column("sal_at", _time),
    Column("sql_at", _time),
    Column("taken", Boolean, nullable=False),
    Column("cools_at", _time),
    Column("merged_into", Text),
    Column("stage_at", _time),
    Column("owned_at", _time),
    Column("due_at", _time),
    Column("alerted_at", _time),
    Column("contacted_at", _time),
    Column("reminded_at", _time),
    Column("followed_up_at", _time),
    Column("attached_to", Text),
    Column("recycled", Integer, nullable=False, server_default="0"),
    Column("recycling", Text),
    Column("valve_stage", Text),
    Column("valve_over", Float),
    Column("total", Float, nullable=False),
    Column("score_at", _time, nullable=False),
    Column("score", LargeBinary, nullable=False),  # the latest score record, as it was received
    CheckConstraint("acquired_at IS NULL OR department IS NOT NULL", name="owned"),
    Index(None, "stage"),
    Index(None, "department", "stage"),
    Index(None, "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    Index(None, "lane", "cools_at", postgresql_where=text("cools_at IS NOT NULL")),
    Index(None, "lane", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index(None, "attached_to", postgresql_where=text("attached_to IS NOT NULL")),
    # Not by their total: a column that each record changes must be in no index, or an update costs three times as much.
    Index(
        "ix_leads_before_valve",
        "valve_stage",
        postgresql_where=text("valve_stage IS NOT NULL AND valve_over IS NULL"),
    ),
)

# No foreign key to leads: contact data comes from `events`, often before the first score of its lead.
contacts = Table(
    "contacts",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", _time, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("canonical", Text, nullable=False, server_default=""),
    # Who else is of this company: departments are looked for only within one.
    Index(
        "ix_contacts_company",
        "canonical",
        postgresql_where=text("canonical <> '' AND field IN ('email', 'company.name')"),
    ),
    Index("ix_contacts_email", text("lower(value)"), postgresql_where=text("field = 'email'")),
)

stage_changes = Table(
    "stage_changes",
    metadata,
    Column("lead_id", Text, ForeignKey(leads.c.lead_id), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("at", _time, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Column("historical", Boolean, nullable=False),
)

handoffs = Table(
    "handoffs",
    metadata,
    Column("handoff_id", Text, primary_key=True),
    Column("lead_id", Text, ForeignKey(leads.c.lead_id), nullable=False),
    Column("status", Text, nullable=False),
    Column("giver", Text, nullable=False),
    Column("giver_team", Text),
    Column("receiver", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("person", Text),
    Column("stage", Text, nullable=False),
    Column("offered_at", _time, nullable=False),
    Column("respond_by", _time),
    Column("priority", Text, nullable=False),
    Column("reject_reason", Text),
    Column("giver_person", Text),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("previous", Text),
    Column("tried", ARRAY(Text), nullable=False, server_default="{}"),
    Column("queued", Text),
    Column("contact_by", _time),
    Column("points", Float),
    Column("valve", Text),
    Column("company", Text),  # the lead's, by its key at the offer
    Column("company_part", Text),  # the lead's own department in it
    Column("attached", ARRAY(Text), nullable=False, server_default="{}"),
    Column("message", LargeBinary, nullable=False),  # as offered: what was known then stays frozen
    CheckConstraint(f"status IN ({_statuses})", name="status"),
    CheckConstraint("giver <> receiver", name="two_departments"),
    CheckConstraint("(status = 'rejected') = (reject_reason IS NOT NULL)", name="rejected_with_reason"),
    Index("one_open_handoff", "lead_id", unique=True, postgresql_where=text(f"status IN ({OPEN_STATUSES})")),
    Index(None, "receiver", "status"),
    Index(None, "lead_id"),
    # How much a team and its people have to do.
    Index("ix_handoffs_load", "receiver", "team", "person", postgresql_where=text("status IN ('offered', 'accepted')")),
    Index("ix_handoffs_waiting", "receiver", "team", postgresql_where=text("status = 'waiting'")),
    # Ten leads of one department of a company are one opportunity.
    Index(
        "one_open_handoff_for_all",
        "company",
        "company_part",
        "receiver",
        unique=True,
        postgresql_where=text(f"company_part IS NOT NULL AND status IN ({OPEN_STATUSES})"),
    ),
    # Who works a company.
    Index(
        "ix_handoffs_worked",
        "company",
        "receiver",
        "offered_at",
        postgresql_where=text("status IN ('accepted', 'completed')"),
    ),
    Index(
        "ix_handoffs_of_company",
        "company",
        postgresql_where=text(f"company IS NOT NULL AND status IN ({OPEN_STATUSES})"),
    ),
)

handoff_changes = Table(
    "handoff_changes",
    metadata,
    Column("lead_id", Text, ForeignKey(leads.c.lead_id), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("handoff_id", Text, ForeignKey(handoffs.c.handoff_id), nullable=False),
    Column("status", Text, nullable=False),
    Column("at", _time, nullable=False),
    Column("by", Text),
    Column("note", Text),
    Column("reason", LargeBinary, nullable=False),
    CheckConstraint(f"status IN ({_statuses}, 'joined')", name="status"),
    Index("each_status_once", "handoff_id", "status", unique=True, postgresql_where=text("status <> 'joined'")),
)

# Whose turn it is, and how far a team's valve is open. A row's lock makes offers to a team one after the other.
teams = Table(
    "teams",
    metadata,
    Column("department", Text, primary_key=True),
    Column("team", Text, primary_key=True),
    Column("virtual", BigInteger, nullable=False, server_default="0"),
    Column("valve_step", Integer, nullable=False, server_default="0"),
    Column("valve_at", _time),
)

people = Table(
    "people",
    metadata,
    Column("department", Text, primary_key=True),
    Column("team", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("finish", BigInteger, nullable=False, server_default="0"),
)

absences = Table(
    "absences",
    metadata,
    Column("absence_id", BigInteger, Identity(always=True), primary_key=True),
    Column("person", Text, nullable=False),
    Column("starts_at", _time, nullable=False),
    Column("ends_at", _time, nullable=False),
    CheckConstraint("starts_at < ends_at", name="takes_time"),
    Index(None, "person", "ends_at"),
)

# What people reported, once each: `report_id` is the reporter's own, or of the HTTP call. No foreign key to leads: a
# report may be read before the first score of its lead.
reports = Table(
    "reports",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("lead_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", _time, nullable=False),
    Column("received_at", _time, nullable=False),
    Column("by", Text, nullable=False),
    Column("handoff_id", Text),
    Column("content", LargeBinary, nullable=False),
    # Of the latest message about the lead when the report came: its place among what happened.
    Column("seq", BigInteger, nullable=False, server_default="0"),
    Index(None, "lead_id", "at"),
)

# An order is an order, unless it was lost later; else what happened last counts, and a quote is not undone by news of
# the deal.
DEAL_STATUS = """CASE
WHEN won_at >= COALESCE(lost_at, won_at) THEN 'won'::text
WHEN lost_at >= COALESCE(GREATEST(registered_at, quoted_at, stalled_at), lost_at) THEN 'lost'::text
WHEN stalled_at >= COALESCE(GREATEST(registered_at, quoted_at, lost_at), stalled_at) THEN 'stalled'::text
WHEN quoted_at IS NOT NULL THEN 'quoted'::text
ELSE 'registered'::text END"""

# No foreign key to leads: a deal may be reported before the first score of its lead.
deals = Table(
    "deals",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("deal_id", Text, primary_key=True),
    Column("amount", Numeric),
    Column("inside_sales", Text),
    Column("field_sales", Text),
    Column("registered_at", _time),
    Column("won_at", _time),
    Column("expected_at", _time),
    Column("product", Text),
    Column("lost_at", _time),
    Column("lost_reason", Text),
    Column("partner", Text),
    Column("presales", Text),
    Column("quoted_at", _time),
    Column("stalled_at", _time),
    Column("status", Text, Computed(DEAL_STATUS, persisted=True)),
)

# Every activation of a playbook, in order; the last one holds.
playbooks = Table(
    "playbooks",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("playbook", Text, nullable=False),  # its id, with the digest
    Column("text", Text, nullable=False),
    Column("activated_at", _time, nullable=False),
    Column("activated_by", Text, nullable=False),
)

# Who gets messages by HTTP. `old_secret` signs beside `secret` until `old_secret_until`.
webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("departments", ARRAY(Text), nullable=False),
    Column("teams", ARRAY(Text), nullable=False),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text),
    Column("old_secret_until", _time),
    Column("created_at", _time, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("disabled_at", _time),
    Column("disabled_reason", Text),
    Column("failing_since", _time),
    Column("last_error", Text),
    Column("last_error_at", _time),
)

# What waits for a webhook. `position` is the message's id in the outbox: in its order, a lead's are in order of their
# seq. It holds personal data, and is gone as soon as it is delivered.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("webhook_id", Text, ForeignKey(webhooks.c.webhook_id, ondelete="CASCADE"), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("lead_id", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", _time, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_failed_at", _time),
    Column("next_attempt_at", _time, nullable=False),
    Index(None, "webhook_id", "next_attempt_at"),
    Index(None, "webhook_id", "lead_id", "position"),
    Index(None, "lead_id"),  # for erasure
)

outbox = Table(
    "outbox",
    metadata,
    # Given under the lead's row lock: in id order, a lead's messages are in order of their seq.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("lane", Integer, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("headers", LargeBinary, nullable=False),  # MessagePack: list of (name, bytes)
    Column("value", LargeBinary),
    Column("received_at", _time),  # of the trigger: starts the clock of the event-to-hand-off latency
    Index(None, "lane", "id"),
)

# What was asked to be forgotten, and how much that was. No personal data.
erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", BigInteger, Identity(always=True), primary_key=True),
    Column("erased_at", _time, nullable=False),
    Column("until", _time, nullable=False),
    Column("by", Text, nullable=False),  # name of the token
    Column("ids", Integer, nullable=False),
    Column("removed", JSONB, nullable=False),  # rows by table
    Column("key", Text, nullable=False),  # tells by which key hashes were made
)

# Ids that are not to come back, by keyed hash: what happened by `until` is denied. A new lead of the id goes on with
# the numbers of its messages and hand-offs, so that none has the id of an earlier one.
denied = Table(
    "denied",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("until", _time, nullable=False),
    Column("erasure_id", BigInteger, ForeignKey(erasures.c.erasure_id), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("handoffs", Integer, nullable=False),
    Index(None, "erasure_id"),
)

offsets = Table(
    "offsets",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    # The latest erasure, in all rows: whoever moves an offset hears of it, and waits until it is done.
    Column("erasures", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("next_offset >= 0", name="not_negative"),
)
