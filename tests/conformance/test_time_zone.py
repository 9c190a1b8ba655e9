"""Times of the server are shown where the organisation is, whichever zone the reader's browser is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.browser import needs_chromium, page
from tests.conformance.server import Server

pytestmark = needs_chromium

INSTANT = "2026-11-21T23:30:00Z"


def shown(opened: Any) -> list[str]:
    base = opened.get_attribute("link[rel=icon]", "href").rsplit("/", 1)[0]
    said = f"[m.when('{INSTANT}'), m.exactly('{INSTANT}')]"
    found: list[str] = opened.evaluate(f"import('{base}/core/format.js').then(m => {said})")
    return found


@pytest.mark.parametrize(
    ("zone", "day", "named", "exactly"),
    [
        ("Asia/Tokyo", "22 Nov 2026, 08:30", "GMT+9", "(Asia/Tokyo)"),
        ("America/New_York", "21 Nov 2026, 18:30", "", "(America/New_York)"),
        ("", "21 Nov 2026, 18:30", "", "(America/New_York)"),
    ],
)
def test_times_of_the_server(
    chromium: Any, tmp_path: Path, zone: str, day: str, named: str, exactly: str
) -> None:
    """In a browser in New York; the zone is said where it is another."""
    server = Server(
        tmp_path / "data", {"PACS_OPEN": "1", "PACS_TIME_ZONE": zone} if zone else {"PACS_OPEN": "1"}
    )
    server.start()
    try:
        with page(chromium, server.url, timezone_id="America/New_York") as opened:
            when, tooltip = shown(opened)
    finally:
        server.stop()
    assert when == f"{day} {named}".strip()
    assert exactly in tooltip
