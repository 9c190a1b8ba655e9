"""How many rows of each level an organisation has, and how many studies are only expected.

A list of everything says so without counting.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_COUNTED = {
    "patients": "patients WHERE",
    "studies": "studies WHERE",
    "announced": "studies WHERE state = 'expected' AND",
    "series": "series WHERE",
    "instances": "instances WHERE",
}


def upgrade() -> None:
    for column, rows in _COUNTED.items():
        op.add_column("org_heads", sa.Column(column, sa.BigInteger, nullable=False, server_default="0"))
        count = f"SELECT count(*) FROM {rows} org_id = org_heads.org_id"
        op.execute(f"UPDATE org_heads SET {column} = ({count})")


def downgrade() -> None:
    for column in reversed(_COUNTED):
        op.drop_column("org_heads", column)
