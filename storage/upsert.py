"""`INSERT … ON CONFLICT`, which SQLAlchemy spells once for each database."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""By the name of the dialect: an insert that has `on_conflict_do_nothing` and `…_do_update`."""
