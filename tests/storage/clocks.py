"""A node whose clock is wrong."""

from __future__ import annotations

import inspect
import sys
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


def set_node_wrong(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """All of the archive that asks for the time of day."""
    asking = [
        name
        for name, module in sys.modules.items()
        if name.startswith(("pacs.", "storage.")) and getattr(module, "datetime", None) is datetime
    ]
    sources = {name: inspect.getsource(sys.modules[name]) for name in asking}
    set_wrong(monkeypatch, by, *(name for name, source in sources.items() if "datetime.now" in source))
