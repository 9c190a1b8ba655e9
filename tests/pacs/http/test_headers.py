"""Who may show our pages within theirs."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from pacs.http.app import Access, create_app
from pacs.http.resource import Public

OWN = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"}


def asked(frames: frozenset[str], path: str) -> dict[str, str]:
    routes = [
        Public("/plain", lambda request: PlainTextResponse("x")),
        Public("/own", lambda request: PlainTextResponse("x", headers=OWN)),
    ]
    app = create_app({}, {}, routes, Access(frames=frames))
    return dict(TestClient(app).get(path).headers)


@pytest.mark.parametrize("path", ["/plain", "/own", "/nothing"])
def test_nobody_unless_he_is_named(path: str) -> None:
    found = asked(frozenset(), path)
    assert "frame-ancestors 'none'" in found["content-security-policy"]
    assert found["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/plain", "/own", "/nothing"])
def test_those_who_are_named(path: str) -> None:
    found = asked(frozenset({"https://ris.example", "https://a.example"}), path)
    policy = found["content-security-policy"]
    assert "frame-ancestors 'self' https://a.example https://ris.example" in policy
    assert policy.startswith("default-src") and "x-frame-options" not in found
    assert ("base-uri 'none'" in policy) == (path == "/own")
