"""Retrieve Capabilities (PS3.18 §8.9)."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import httpx

from tests.conformance.kit.check import Check, Peer, expect, supported

WADL, WADL_JSON = "application/vnd.sun.wadl+xml", "application/vnd.sun.wadl+json"


def _options(peer: Peer, accept: str) -> httpx.Response:
    return supported(peer.web.request("OPTIONS", "/", headers={"Accept": accept}))


def described_in_xml(peer: Peer) -> str:
    answer = _options(peer, WADL)
    seen = expect(answer, 200, (WADL, "application/xml", "text/xml"))
    root = ElementTree.fromstring(answer.content)
    paths = [node.get("path", "") for node in root.iter() if node.tag.endswith("resource")]
    assert any("studies" in path for path in paths), f"no resource of studies among {paths}"
    return f"{seen}, {len(paths)} resources"


def described_in_json(peer: Peer) -> str:
    answer = _options(peer, WADL_JSON)
    seen = expect(answer, 200, (WADL_JSON, "application/json"))
    assert "studies" in json.dumps(answer.json()), "studies are not named"
    return seen


CHECKS = (
    Check("8.9", "OPTIONS of the root describes the service in WADL", described_in_xml),
    Check("8.9", "capabilities in JSON", described_in_json),
)
