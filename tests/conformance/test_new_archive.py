"""The first page of a new archive: the line to copy reaches this server, and the page sees what arrives."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.conformance import phantom
from tests.conformance.browser import browser, needs_chromium, page, until
from tests.conformance.server import Server

pytestmark = needs_chromium


def test_the_line_to_copy_names_this_server(tmp_path: Path) -> None:
    """Port and AE title are those of the settings, and the title is one word of the shell."""
    server = Server(tmp_path / "data", {"PACS_OPEN": "1", "PACS_AE_TITLE": "OUR PACS"})
    server.start()
    try:
        with browser() as started, page(started, server.url) as opened:
            line = opened.locator(".shell code").inner_text()
            assert shlex.split(line)[:7] == [
                "storescu",
                "-aec",
                "OUR PACS",
                "+sd",
                "+r",
                "127.0.0.1",
                str(server.dimse_port),
            ]
            study = phantom.study(phantom.patient("First^Image", "F-1", "", "O"), "20261120", "CT", "A-1")
            (tmp_path / "first.dcm").write_bytes(phantom.file_bytes(next(iter(phantom.ct(study, 1, 32)))))
            server.quick_command("import", str(tmp_path / "first.dcm"))
            until(opened, "document.querySelector('[role=grid]')?.innerText.includes('First, Image')")
    finally:
        server.stop()
