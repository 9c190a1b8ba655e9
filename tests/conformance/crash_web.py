"""The promise under `kill -9`, over the web: what was stored, uploaded or deleted stays so.

Clients store studies by STOW-RS and by uploads and delete some of them again, while single processes
of the server are killed at random moments; its supervisor starts them again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import psutil
from pydicom.uid import generate_uid

from tests.conformance.senders import digest, get_study, small_ct, study_counts
from tests.conformance.server import PATIENCE, Server
from tests.conformance.test_rest import as_file

CLIENTS = 4
STUDIES = "/dicom-web/studies"


@dataclass
class Client:
    """What it was told of each study that it made."""

    server: Server
    token: str
    pause: float
    """Seconds between two studies, each of which is looked at in the end."""
    stored: dict[str, dict[str, str]] = field(default_factory=dict)
    """Study → SOP Instance UID → digest of the pixels: acknowledged."""
    deleted: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    """Nobody answered when they were to be deleted."""

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; who was cut off begins another study."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=PATIENCE) as web:
            while not stop.wait(self.pause):
                with suppress(httpx.TransportError):
                    self._one(web, generate_uid())

    def _one(self, web: httpx.Client, study: str) -> None:
        way = random.choice((self._stow, self._upload))
        for _ in range(random.randint(1, 3)):
            ds = small_ct(study, generate_uid())
            if way(web, as_file(ds)):
                self.stored.setdefault(study, {})[ds.SOPInstanceUID] = digest(ds)
        if way == self._stow and study in self.stored and random.random() < 0.5:
            self._delete(web, study)

    def _stow(self, web: httpx.Client, file: bytes) -> bool:
        headers = {"Content-Type": "application/dicom"}
        return web.post(STUDIES, content=file, headers=headers).status_code == 200

    def _upload(self, web: httpx.Client, file: bytes) -> bool:
        return web.post("/api/v1/uploads", files={"f": ("1.dcm", file)}).status_code == 202

    def _delete(self, web: httpx.Client, study: str) -> None:
        self.unsure.add(study)
        if web.delete(f"/api/v1/studies/{study}", params={"reason": "test"}).status_code == 204:
            self.deleted.add(study)
            self.unsure.remove(study)


def kill_rounds(server: Server, rounds: int, pause: float = 0.05) -> list[Client]:
    """Kill one process `rounds` times while clients are at work; all is well again when this returns."""
    clients = [Client(server, server.token(), pause) for _ in range(CLIENTS)]
    stop = threading.Event()
    threads = [threading.Thread(target=client.run, args=(stop,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for _ in range(rounds):
        time.sleep(random.uniform(0.1, 1.0))
        wait_for(server.ready)
        _parent, *children = server.processes()
        with suppress(psutil.NoSuchProcess):
            random.choice(children).kill()
    wait_for(server.ready)
    told = sum(len(client.stored) for client in clients)
    wait_for(lambda: sum(len(client.stored) for client in clients) > told)
    wait_for(lambda: any(client.deleted for client in clients))
    stop.set()
    for thread in threads:
        thread.join(2 * PATIENCE)
    wait_for(lambda: all(each["status"] in ("completed", "failed") for each in tasks(server)))
    return clients


def tasks(server: Server) -> list[dict[str, str]]:
    with server.web() as web:
        found: list[dict[str, str]] = []
        while True:
            page = web.get("/api/v1/tasks", params={"limit": 100, "offset": len(found)}).json()
            found += page["items"]
            if not page["items"]:
                return found


def assert_as_told(server: Server, clients: list[Client]) -> None:
    """Every study is as its client was told; one whose deletion was not answered is whole or gone."""
    assert {task["status"] for task in tasks(server)} <= {"completed"}
    with server.web() as web:
        for client in clients:
            for study, told in client.stored.items():
                there = web.get(f"{STUDIES}/{study}/instances")
                if study in client.deleted or (study in client.unsure and not there.json()):
                    assert not there.json(), "something deleted is there"
                    continue
                listed = [each["00080018"]["Value"][0] for each in there.json()]
                assert len(set(listed)) == len(listed) == study_counts(server.dimse_port, study)
                assert told.keys() <= set(listed), "something acknowledged is lost"
                pixels = get_study(server.dimse_port, study)
                assert all(pixels[uid] == each for uid, each in told.items()), "pixels differ"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)
