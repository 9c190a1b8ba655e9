"""Who may enter, and who may do what; refusals are noted, wherever they happen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from pacs.errors import Unauthenticated
from pacs.http.app import Access, create_app
from pacs.http.authentication import Caller, everyone
from pacs.http.resource import Public, Resource
from pacs.http.rest.signed_urls import BadSignature
from pacs.model import AuditRecord
from pacs.rights import ROLES, Right


def refuse(request: Request) -> Response:
    raise BadSignature


def strangers_are_refused(connection: HTTPConnection) -> Caller:
    if "authorization" not in connection.headers:
        raise Unauthenticated
    return everyone(connection)


@pytest.mark.parametrize("right", [*Right, None])
@pytest.mark.parametrize("role", ROLES)
def test_a_route_is_for_callers_with_its_right(role: str, right: Right | None) -> None:
    def comes(connection: HTTPConnection) -> Caller:
        return replace(everyone(connection), rights=ROLES[role])

    routes = [Resource("/resource", lambda request: Response("told"), right, ["GET", "POST"])]
    client = TestClient(create_app({}, {}, routes, Access(comes, ignored)))
    for method in ("GET", "POST"):
        answer = client.request(method, "/resource")
        if right is None or right in ROLES[role]:
            assert (answer.status_code, answer.text) == (200, "told")
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


def ignored(record: AuditRecord) -> None:
    pass


def test_an_event_stream_is_cut_when_its_caller_may_no_longer_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacs.http.authentication.ASK_AGAIN", -1.0)  # with each event
    allowed = [True, True, False]

    def comes(connection: HTTPConnection) -> Caller:
        if not allowed.pop(0):
            raise Unauthenticated
        return everyone(connection)

    def events(request: Request) -> Response:
        return StreamingResponse(iter([b"first", b"second"]), media_type="text/event-stream")

    routes = [Resource("/events", events, Right.READ)]
    answer = TestClient(create_app({}, {}, routes, Access(comes, ignored))).get("/events")
    assert (answer.status_code, answer.content) == (200, b"first")


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
