"""A node whose clock is wrong."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

import pytest

SLOW_AND_FAST = pytest.mark.parametrize(
    "wrong", [timedelta(days=-40), timedelta(days=40)], ids=["slow", "fast"]
)


def set_wrong(monkeypatch: pytest.MonkeyPatch, by: timedelta, *modules: str) -> type[datetime]:
    """What these modules take for the time of day."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Wrong:
            return super().now(tz) + by

    for module in modules:
        monkeypatch.setattr(f"{module}.datetime", Wrong)
    return Wrong
