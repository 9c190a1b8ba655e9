"""`INSERT … ON CONFLICT`, which SQLAlchemy has separately for each database."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""By dialect name: an insert with `on_conflict_do_nothing` and `on_conflict_do_update`."""
