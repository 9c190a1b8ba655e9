"""An object store that goes away under a running server: said clearly, and all is well when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from pydicom.uid import generate_uid

from tests.conformance.senders import Modality, small_ct
from tests.conformance.server import Server, free_port
from tests.conformance.test_durability import wait_for
from tests.conformance.test_rest import as_file, error
from tests.conformance.test_stow import STUDIES, kept, settled, store
from tests.conformance.test_uploads import finished, upload
from tests.servers import S3_BUCKET, ObjectStore
from tests.waiting import eventually


@dataclass
class World:
    server: Server
    objects: ObjectStore
    web: httpx.Client

    def back(self) -> None:
        self.objects = ObjectStore(self.objects.port)
        wait_for(self.server.ready)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    objects = ObjectStore(free_port())
    settings = {
        "PACS_BLOBS_URL": f"s3://{S3_BUCKET}/away",
        "PACS_S3_ENDPOINT": objects.endpoint,
        "PACS_S3_ACCESS_KEY": "tests",
        "PACS_S3_SECRET_KEY": "tests-only-credential",
    }
    server = Server(tmp_path_factory.mktemp("away") / "data", settings)
    server.start()
    with server.web() as web:
        web.timeout = httpx.Timeout(120)
        made = World(server, objects, web)
        yield made
    server.stop()
    made.objects.stop()


def slices(study: str, count: int = 2) -> list[bytes]:
    series = generate_uid()
    return [as_file(small_ct(study, series)) for _ in range(count)]


def test_what_comes_is_refused_for_now(world: World) -> None:
    study, files = generate_uid(), slices(generate_uid())
    modality = Modality(world.server.dimse_port, study)
    world.objects.stop()
    modality.send(1)
    assert modality.refused == [0xA700]
    for answer in (store(world.web, *files), world.web.post("/api/v1/uploads", files={"f": ("1", files[0])})):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert settled(world.server)
    assert world.server.live() and not world.server.ready()
    world.back()
    modality.send(1)
    assert len(modality.acknowledged) == kept(world.server, study) == 1
    assert store(world.web, *files).status_code == 200
    assert (
        finished(world.web, upload(world.web, "uploads", {"1": files[0]})["task_id"])["processed_items"] == 1
    )


def test_what_is_there_is_found_but_not_fetched(world: World) -> None:
    study, web = generate_uid(), world.web
    assert store(web, *slices(study)).status_code == 200
    instance = web.get(f"{STUDIES}/{study}/instances").json()[0]
    series, sop = (instance[tag]["Value"][0] for tag in ("0020000E", "00080018"))
    one = f"{STUDIES}/{study}/series/{series}/instances/{sop}"
    prepared = f"""SELECT count(*) FROM prepared_metadata JOIN instances ON pk = instance_pk
                   WHERE sop_instance_uid = '{sop}'"""
    eventually("its metadata is prepared", lambda: world.server.sql(prepared) == "(1,)")
    bulky = (f"{STUDIES}/{study}", one, f"{one}/frames/1", f"{one}/rendered", f"/api/v1/images/{sop}/full")
    world.objects.stop()
    for path in bulky:
        answer = web.get(path)
        assert error(answer) == (503, "UNAVAILABLE"), path
        assert int(answer.headers["Retry-After"]) > 0
    for path in (STUDIES, f"{one}/metadata", f"/api/v1/studies/{study}"):
        assert web.get(path).status_code == 200, path
    assert web.delete(f"/api/v1/images/{sop}?reason=test").status_code == 204
    world.back()
    other = next(each for each in web.get(f"{STUDIES}/{study}/instances").json())["00080018"]["Value"][0]
    for path in bulky:
        assert web.get(path.replace(sop, other)).status_code == 200, path


def test_nothing_is_damaged(world: World) -> None:
    world.server.quick_command("verify")
    world.server.quick_command("audit", "verify")
