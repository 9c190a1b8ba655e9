"""Links that lead back to us whatever stands in between (case A27)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from pacs.http.app import Access, create_app
from pacs.http.origin import Forwarding, forwarding, origin, trusted_networks

PROXY, STRANGER = "10.0.0.1", "203.0.113.9"
HERE = "http://pacs.internal:8080"


def seen(headers: dict[str, str], base_url: str | None = None, peer: str = PROXY) -> dict[str, str]:
    def where(request: Request) -> Response:
        assert request.client is not None
        return JSONResponse({"origin": origin(request), "client": request.client.host})

    app = create_app(
        {},
        {},
        [Mount("/web", routes=[Route("/where", where)])],
        Access(trusted=trusted_networks(["10.0.0.0/8"])),
        base_url,
    )
    client = TestClient(app, base_url=HERE, client=(peer, 50_000))
    found: dict[str, str] = client.get("/web/where", headers=headers).json()
    return found


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, HERE),
        ({"Host": "pacs.example"}, "http://pacs.example"),
        ({"Host": "pacs.internal"}, HERE),
        ({"X-Forwarded-Proto": "https"}, "https://pacs.internal:8080"),
        ({"X-Forwarded-Host": "pacs.example"}, "http://pacs.example"),
        ({"X-Forwarded-Host": "pacs.example", "X-Forwarded-Proto": "https"}, "https://pacs.example"),
        ({"X-Forwarded-Host": "pacs.example, inner.example"}, "http://pacs.example"),
        (
            {"X-Forwarded-Host": "pacs.example:8443", "X-Forwarded-Proto": "HTTPS"},
            "https://pacs.example:8443",
        ),
        (
            {"X-Forwarded-Host": "pacs.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443"},
            "https://pacs.example:8443",
        ),
        (
            {"X-Forwarded-Host": "pacs.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"},
            "https://pacs.example",
        ),
        (
            {"X-Forwarded-Host": "pacs.example", "X-Forwarded-Prefix": "/imaging/"},
            "http://pacs.example/imaging",
        ),
        ({"X-Forwarded-Prefix": "/imaging"}, f"{HERE}/imaging"),
        ({"Forwarded": "proto=https;host=pacs.example"}, "https://pacs.example"),
        (
            {"Forwarded": 'for="[2001:db8::1]:4711";Proto=HTTPS; Host="pacs.example:8443"'},
            "https://pacs.example:8443",
        ),
        ({"Forwarded": "host=pacs.example;proto=https, for=10.0.0.3;host=inner"}, "https://pacs.example"),
        ({"Forwarded": "host=pacs.example", "X-Forwarded-Host": "other.example"}, "http://pacs.example"),
        ({"Forwarded": "host=pacs.example", "X-Forwarded-Prefix": "/imaging"}, "http://pacs.example/imaging"),
        ({"X-Forwarded-Host": "[2001:db8::1]:8443"}, "http://[2001:db8::1]:8443"),
    ],
)
def test_what_a_trusted_proxy_says(headers: dict[str, str], wanted: str) -> None:
    assert seen(headers)["origin"] == wanted


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/x"},
        {"Forwarded": "host=evil.example;proto=https;for=10.0.0.9"},
        {"X-Forwarded-For": "10.0.0.9"},
    ],
)
def test_from_anybody_else_it_is_ignored(headers: dict[str, str]) -> None:
    assert seen(headers, peer=STRANGER) == {"origin": HERE, "client": STRANGER}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": 'evil"><script>'},
        {"X-Forwarded-Host": "a b"},
        {"X-Forwarded-Host": "user@evil.example"},
        {"X-Forwarded-Proto": "javascript"},
        {"X-Forwarded-Prefix": "//evil.example"},
        {"X-Forwarded-Prefix": "/a?b"},
        {"Forwarded": "host=evil/../x"},
        {"Forwarded": ";;,=,"},
    ],
)
def test_nonsense_is_ignored(headers: dict[str, str]) -> None:
    assert seen(headers)["origin"] == HERE


def test_the_setting_comes_first() -> None:
    headers = {"X-Forwarded-Host": "other.example"}
    assert seen(headers, "https://pacs.example/imaging/")["origin"] == "https://pacs.example/imaging"


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"X-Forwarded-For": STRANGER}, STRANGER),
        ({"X-Forwarded-For": f"1.2.3.4, {STRANGER}, 10.0.0.2"}, STRANGER),
        ({"X-Forwarded-For": "10.0.0.5, 10.0.0.2"}, "10.0.0.5"),
        ({"X-Forwarded-For": "nonsense"}, PROXY),
        ({"Forwarded": f"for={STRANGER}:4711"}, STRANGER),
        ({"Forwarded": 'for="[2001:db8::1]:4711"'}, "2001:db8::1"),
        ({"Forwarded": "for=_hidden"}, PROXY),
        ({}, PROXY),
    ],
)
def test_whom_the_audit_trail_names(headers: dict[str, str], client: str) -> None:
    """The last one that no trusted proxy vouches for: what stands before it he may have written himself."""
    assert seen(headers)["client"] == client


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=100))
def test_no_header_is_too_odd(text: str) -> None:
    for name in (
        "forwarded",
        "x-forwarded-host",
        "x-forwarded-for",
        "x-forwarded-prefix",
        "x-forwarded-port",
    ):
        found = forwarding(Headers({name: text}))
        assert isinstance(found, Forwarding)
        assert not set(found.host + found.prefix) & set("\"'<>\\ \r\n@?#")
