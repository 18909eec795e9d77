"""Accounts know their age, and may hold a hash that a client of the drop box chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("crypt", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("crypt")
        batch_op.drop_column("created_us")
