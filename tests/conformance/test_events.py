"""The change feed as it happens, against a started server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydicom.uid import generate_uid

from tests.conformance.senders import small_ct
from tests.conformance.server import DRAIN, PATIENCE, Server
from tests.conformance.test_rest import error, store

SOON = 60.0
"""Seconds: far more than the feed is left unread, as the machine may be busy."""


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.web() as made:
        yield made


class Listener:
    """Reads an event stream in a thread of its own."""

    def __init__(self, client: httpx.Client, last: int | None = None, path: str = "/api/v1/events") -> None:
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.ended = threading.Event()
        self.begun = threading.Event()
        self._headers = {} if last is None else {"Last-Event-ID": str(last)}
        self._client, self._path = client, path
        threading.Thread(target=self._read, daemon=True).start()
        assert self.begun.wait(PATIENCE)

    def _read(self) -> None:
        try:
            with self._client.stream("GET", self._path, headers=self._headers, timeout=None) as answer:
                for line in answer.iter_lines():
                    self.begun.set()
                    if line.startswith("data: "):
                        self.events.append((time.monotonic(), json.loads(line[6:])))
        except httpx.TransportError:
            pass
        finally:
            self.ended.set()

    def wait(self, kind: str, resource: str) -> tuple[float, dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for at, event in list(self.events):
                if (event["kind"], event["resource"]) == (kind, resource):
                    return at, event
            time.sleep(0.02)
        raise AssertionError(f"no {kind} among {[event['kind'] for _, event in self.events]}")


def newest(client: httpx.Client) -> int:
    after = 0
    while True:
        page = client.get("/api/v1/changes", params={"after": after, "limit": 1000}).json()
        after = page["last"]
        if not page["more"]:
            return int(after)


def test_what_happens_is_heard_at_once_and_in_order(client: httpx.Client) -> None:
    study = generate_uid()
    listener = Listener(client)
    store(client, small_ct(study, generate_uid()))
    stored = time.monotonic()
    at, received = listener.wait("study.received", study)
    assert at - stored < SOON
    assert client.delete(f"/api/v1/studies/{study}?reason=test").status_code == 204
    _, deleted = listener.wait("study.deleted", study)
    assert deleted["seq"] > received["seq"]
    assert [event["seq"] for _, event in listener.events] == sorted(e["seq"] for _, e in listener.events)


def test_a_reader_who_comes_back_missed_nothing(client: httpx.Client) -> None:
    last = newest(client)
    studies = [generate_uid() for _ in range(3)]
    for study in studies:
        store(client, small_ct(study, generate_uid()))
    for path, after in (("/api/v1/events", last), (f"/api/v1/events?after={last}", None)):
        listener = Listener(client, after, path)
        for study in studies:
            listener.wait("study.received", study)
        heard = [event for _, event in list(listener.events)]  # it goes on to listen
        numbers = [event["seq"] for event in heard]
        assert numbers[0] == last + 1 and numbers == list(range(last + 1, last + 1 + len(numbers)))
    items = client.get("/api/v1/changes", params={"after": last}).json()["items"]
    assert [item for item in items if item["seq"] in numbers] == heard


def test_another_organisation_hears_nothing(client: httpx.Client, server: Server) -> None:
    with server.web(organization="deaf") as other:
        theirs, ours = Listener(other), Listener(client)
        study = generate_uid()
        store(client, small_ct(study, generate_uid()))
        ours.wait("study.received", study)
        time.sleep(1)
        assert theirs.events == []
        assert other.get("/api/v1/changes").json() == {"items": [], "last": 0, "more": False}
    with httpx.Client(base_url=server.url) as nobody:
        assert error(nobody.get("/api/v1/events"))[0] == 401


def test_uploads_tell_how_far_they_are(client: httpx.Client) -> None:
    listener = Listener(client)
    study = generate_uid()
    content = {"a.dcm": small_ct(study, generate_uid())}
    from tests.conformance.test_rest import as_file

    files = {name: (name, as_file(each)) for name, each in content.items()}
    task = client.post("/api/v1/images/upload", files=files).json()["task_id"]
    deadline = time.monotonic() + PATIENCE
    said: list[Any] = []
    while "completed" not in said and time.monotonic() < deadline:
        said = [event["payload"]["status"] for _, event in listener.events if event["resource"] == task]
        time.sleep(0.05)
    assert said[-1] == "completed"


def test_listeners_do_not_hold_up_a_stop(fresh_server: Server) -> None:
    with fresh_server.web() as client:
        listeners = [Listener(client) for _ in range(5)]
        begun = time.monotonic()
        fresh_server.stop()
        for listener in listeners:
            assert listener.ended.wait(PATIENCE)
        assert time.monotonic() - begun < DRAIN  # when they are cut off
