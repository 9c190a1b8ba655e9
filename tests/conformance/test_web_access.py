"""Who may in over HTTP, against a started server."""

from __future__ import annotations

from tests.conformance.server import Server


def test_a_token_is_made_on_the_command_line(server: Server) -> None:
    with server.web() as web:
        assert web.get("/health").status_code == 200
    with server.web("viewer", "other") as web:
        assert web.get("/health").status_code == 200
