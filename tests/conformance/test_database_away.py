"""A database that goes away under a running server: said clearly, survived, and nothing twice or by half."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from pydicom.uid import generate_uid

from tests.conformance.senders import small_ct
from tests.conformance.server import Server
from tests.conformance.test_durability import wait_for
from tests.conformance.test_rest import as_file, error
from tests.conformance.test_stow import KIND, STUDIES, kept, settled, store
from tests.conformance.test_uploads import finished
from tests.dicomweb.storing import multipart
from tests.servers import Cluster, cluster


@dataclass
class World:
    server: Server
    database: Cluster
    web: httpx.Client

    def back(self) -> None:
        self.database.start()
        wait_for(self.server.ready)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Nobody signs in, so that not the look at a session is what meets the database first."""
    with cluster() as database:
        settings = {"PACS_DATABASE_URL": database.url, "PACS_OPEN": "1", "PACS_DATABASE_PATIENCE": "30"}
        server = Server(tmp_path_factory.mktemp("away") / "data", settings)
        server.start()
        with httpx.Client(base_url=server.url, timeout=60) as web:
            yield World(server, database, web)
        server.stop()


def slices(study: str, count: int = 2) -> list[bytes]:
    series = generate_uid()
    return [as_file(small_ct(study, series)) for _ in range(count)]


def test_reading_and_deleting_are_refused_for_now(world: World) -> None:
    web, study = world.web, generate_uid()
    assert store(web, *slices(study)).status_code == 200
    instance = web.get(f"{STUDIES}/{study}/instances").json()[0]
    series, sop = (instance[tag]["Value"][0] for tag in ("0020000E", "00080018"))
    one = f"{STUDIES}/{study}/series/{series}/instances/{sop}"
    listed = web.get("/api/v1/changes").json()["last"]
    world.database.stop()
    resources = (STUDIES, f"{STUDIES}/{study}", one, f"{one}/metadata", f"{one}/frames/1", f"{one}/rendered")
    more = (f"/api/v1/studies/{study}", f"/api/v1/images/{sop}/preview", "/api/v1/changes", "/api/v1/tasks")
    paths = (*resources, *more)
    for path in paths:
        refused_for_now(web.get(path))
    refused_for_now(web.delete(f"/api/v1/studies/{study}?reason=test"))
    assert web.get("/api/v1/events").text == "retry: 2000\n\n"  # the browser comes back by itself
    assert world.server.live() and not world.server.ready()
    world.back()
    for path in paths:
        assert web.get(path).status_code == 200, path
    assert web.get("/api/v1/changes").json()["last"] == listed
    assert web.delete(f"/api/v1/studies/{study}?reason=test").status_code == 204


def refused_for_now(answer: httpx.Response) -> None:
    assert error(answer) == (503, "DATABASE_UNAVAILABLE"), answer.url
    assert int(answer.headers["Retry-After"]) > 0


def while_it_is_away(
    world: World, send: Callable[[Iterator[bytes]], httpx.Response], body: bytes
) -> httpx.Response:
    """The database goes when half of the body was sent, and comes back when all was."""
    back = threading.Timer(0.5, world.back)

    def halves() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        world.database.stop()
        yield body[len(body) // 2 :]
        back.start()

    answer = send(halves())
    back.join()
    return answer


def test_stow_waits_for_it(world: World) -> None:
    study = generate_uid()
    body = multipart(slices(study, 4))
    headers = {"Content-Type": KIND}
    answer = while_it_is_away(
        world, lambda halves: world.web.post(STUDIES, content=halves, headers=headers), body
    )
    assert answer.status_code == 200
    assert kept(world.server, study) == 4
    assert settled(world.server)


def test_an_upload_is_whole_or_not_there(world: World) -> None:
    study = generate_uid()
    request = world.web.build_request("POST", "/api/v1/uploads", files={"f": ("1.dcm", slices(study, 1)[0])})
    headers = {"Content-Type": request.headers["Content-Type"]}
    before = world.web.get("/api/v1/tasks").json()["total"]
    answer = while_it_is_away(
        world,
        lambda halves: world.web.post("/api/v1/uploads", content=halves, headers=headers),
        request.read(),
    )
    if answer.status_code == 202:
        assert finished(world.web, answer.json()["task_id"])["processed_items"] == 1
    else:
        refused_for_now(answer)
        assert world.web.get("/api/v1/tasks").json()["total"] == before
    assert settled(world.server)


def test_an_event_stream_goes_on(world: World) -> None:
    first, study = generate_uid(), generate_uid()
    assert store(world.web, *slices(first)).status_code == 200
    with world.web.stream("GET", "/api/v1/events?after=0") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        assert any(line.startswith("data:") and first in line for line in lines)  # now it listens
        world.database.stop()
        assert not world.server.ready()
        world.back()
        with httpx.Client(base_url=world.server.url, timeout=60) as other:
            assert store(other, *slices(study)).status_code == 200
        assert any(line.startswith("data:") and study in line for line in lines)


def test_nothing_is_damaged(world: World) -> None:
    world.server.quick_command("verify")
    world.server.quick_command("audit", "verify")
