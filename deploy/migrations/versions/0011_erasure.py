"""erasure: who has been erased, by keyed hash, and what was removed

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("ids", sa.Integer(), nullable=False),
        sa.Column("removed", JSONB(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "denied",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erasure_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("handoffs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_denied")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.erasure_id"], name=op.f("fk_denied_erasure_id")),
    )
    op.create_index(op.f("ix_denied_erasure_id"), "denied", ["erasure_id"])
    op.add_column("offsets", sa.Column("erasures", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Refused once somebody was erased: without the list they would come back."""
    if op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM denied)")):
        raise RuntimeError("people have been erased: without the deny-list, what comes late would bring them back")
    op.drop_column("offsets", "erasures")
    op.drop_table("denied")
    op.drop_table("erasures")
