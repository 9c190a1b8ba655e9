"""Who is refused is noted, wherever it happens."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.testclient import TestClient

from pacs.errors import Unauthenticated
from pacs.http.app import Access, create_app
from pacs.http.authentication import Caller, everyone
from pacs.http.resource import Public, Resource
from pacs.http.rest.signed_urls import BadSignature
from pacs.model import AuditRecord
from pacs.rights import Right


def refuse(request: Request) -> Response:
    raise BadSignature


def strangers_are_refused(connection: HTTPConnection) -> Caller:
    if "authorization" not in connection.headers:
        raise Unauthenticated
    return everyone(connection)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/public", {}, 403),
        ("/resource", {"Authorization": "x"}, 403),
        ("/resource", {}, 401),
        ("/none", {}, 401),
    ],
)
def test_every_refusal_is_audited(path: str, headers: dict[str, str], status: int) -> None:
    records = list[AuditRecord]()
    routes = [Public("/public", refuse), Resource("/resource", refuse, Right.READ)]
    client = TestClient(create_app({}, {}, routes, Access(strangers_are_refused, records.append)))
    assert client.get(path, headers={**headers, "X-Correlation-ID": "known-12345678"}).status_code == status
    (record,) = records
    assert (record.action, record.outcome, record.details["status"]) == ("access", "denied", status)
    assert record.actor.correlation_id == "known-12345678"
