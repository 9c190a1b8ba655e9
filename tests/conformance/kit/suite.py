"""All checks in the order of the clauses that they belong to, and their run against one server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from tests.conformance.kit import (
    capabilities,
    metadata,
    negotiation,
    rendered,
    retrieve,
    search,
    store,
    wado_uri,
)
from tests.conformance.kit.check import Check, Outcome, Peer, Result, perform
from tests.conformance.kit.samples import Samples

PATIENCE = 60.0

_MODULES = (capabilities, negotiation, store, search, retrieve, metadata, rendered, wado_uri)


def _place(clause: str) -> list[tuple[str, int]]:
    """§8.9 goes before §8.10, and Annex F behind all numbers."""
    return [("", int(part)) if part.isdigit() else (part, 0) for part in clause.split(".")]


CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (check for module in _MODULES for check in module.CHECKS),
        key=lambda check: _place(check.clause),
    )
)


def peer(root: str, wado: str | None = None, token: str | None = None) -> Peer:
    """The server whose DICOMweb root this is; `wado`: beside the root unless told otherwise."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    web = httpx.Client(base_url=root, headers=headers, timeout=60, follow_redirects=True)
    return Peer(web, str(httpx.URL(root.rstrip("/")).join(wado or "wado")), Samples())


def run(under_test: Peer) -> Iterator[Result]:
    """`httpx.HTTPError` or `AssertionError` when not even the samples can be stored.

    A server that a check brings down gets `PATIENCE` seconds to be up again; the checks that follow
    are not its victims. They are left out when it stays down.
    """
    store.store_samples(under_test)
    for check in CHECKS:
        result = perform(check, under_test)
        yield result
        if result.outcome is Outcome.FAILED and not _up(under_test):
            return


def _up(under_test: Peer) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            under_test.get("/studies?limit=1", "application/dicom+json")
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return True
    return False
