"""A disk without a free block: each way in says so, what is there can be read, and space heals it.

The reserve, which keeps it from coming to this, is switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid

from tests.conformance.senders import Modality, small_ct
from tests.conformance.server import Server
from tests.conformance.small_disk import filled, small_disk
from tests.conformance.test_durability import wait_for
from tests.conformance.test_rest import as_file, error
from tests.conformance.test_stow import STUDIES, kept, settled, store
from tests.conformance.test_uploads import finished, upload, zipped
from tests.dicomweb.storing import FAILED
from tests.waiting import eventually


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("small") / "disk", 64) as folder:
        yield folder


@pytest.fixture(scope="module")
def server(disk: Path) -> Iterator[Server]:
    started = Server(disk / "data", {"PACS_FREE_SPACE_RESERVE": "0"})
    started.log = disk.with_name("server.log")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


@pytest.fixture
def study(web: httpx.Client) -> str:
    """One that came while there was room."""
    slices = slices_of(uid := str(generate_uid()))
    assert store(web, *slices).status_code == 200
    return uid


def slices_of(study: str, count: int = 3) -> list[bytes]:
    series = generate_uid()
    return [as_file(small_ct(study, series, side=512)) for _ in range(count)]


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_starting(disk: Path, used: bool) -> None:
    other = Server(disk / f"other{used}", {"PACS_FREE_SPACE_RESERVE": "0"})
    if used:
        other.environment["PACS_SECRET_KEY"] = "of no importance, but long enough"
        other.quick_command("db", "upgrade")
    with filled(disk):
        said = other.command("serve", code=1)
        assert "Out of storage space" in said and str(other.data) in said and "Traceback" not in said
        assert "does not answer" not in said and "waiting for the database" not in said
    assert not list(other.data.glob(".secret_key*"))


def test_stow(disk: Path, server: Server, web: httpx.Client) -> None:
    files = slices_of(study := generate_uid())
    with filled(disk):
        refused = store(web, *files)
        assert refused.status_code == 507 and int(refused.headers["Retry-After"]) > 0
        alone = {"Content-Type": "application/dicom"}
        assert web.post(STUDIES, content=files[0], headers=alone).status_code == 507
        assert settled(server)
    assert kept(server, study) == 0
    assert store(web, *files).status_code == 200
    assert kept(server, study) == 3


def test_stow_says_which_instance_found_no_room(disk: Path, server: Server, web: httpx.Client) -> None:
    small, large = (
        small_ct(study := generate_uid(), generate_uid()),
        small_ct(study, generate_uid(), side=2048),
    )
    with filled(disk, leaving=4):
        answer = store(web, as_file(small), as_file(large))
        assert settled(server)
    assert answer.status_code == 202
    (refused,) = answer.json()[FAILED]["Value"]
    assert refused["00081155"]["Value"] == [large.SOPInstanceUID]
    assert refused["00081197"]["Value"] == [0xA700]
    assert kept(server, study) == 1


def test_stow_of_metadata_and_bulk_data(disk: Path, server: Server, web: httpx.Client) -> None:
    data_set = small_ct(study := generate_uid(), generate_uid(), side=1024)
    pixels, body = data_set.PixelData, data_set.to_json_dict()
    body["7FE00010"] = {"vr": "OW", "BulkDataURI": "pixels"}
    content = (
        b"--b\r\nContent-Type: application/dicom+json\r\n\r\n"
        + orjson.dumps([body])
        + b"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Location: pixels\r\n\r\n"
        + pixels
        + b"\r\n--b--"
    )
    kind = {"Content-Type": 'multipart/related; type="application/dicom+json"; boundary=b'}
    with filled(disk):
        refused = web.post(STUDIES, content=content, headers=kind)
        assert error(refused) == (507, "STORAGE_FULL")
        assert int(refused.headers["Retry-After"]) > 0
        assert settled(server)
    with filled(disk, leaving=3):  # the bulk data fits, the instance made of it does not
        assert web.post(STUDIES, content=content, headers=kind).status_code == 507
        assert settled(server)
    assert web.post(STUDIES, content=content, headers=kind).status_code == 200
    assert kept(server, study) == 1


def test_uploads(disk: Path, server: Server, web: httpx.Client) -> None:
    study = generate_uid()
    files = {f"{n}.dcm": file for n, file in enumerate(slices_of(study))}
    tasks = web.get("/api/v1/tasks").json()["total"]
    with filled(disk):
        for sent in (files, {"disc.zip": zipped(files)}):
            answer = web.post("/api/v1/uploads", files=[("files", each) for each in sent.items()])
            assert error(answer) == (507, "STORAGE_FULL")
            assert int(answer.headers["Retry-After"]) > 0
        assert settled(server)
    assert web.get("/api/v1/tasks").json()["total"] == tasks
    done = finished(web, upload(web, "uploads", {"disc.zip": zipped(files)})["task_id"])
    assert (done["status"], done["processed_items"]) == ("completed", 3)
    assert kept(server, study) == 3


def test_c_store(disk: Path, server: Server) -> None:
    modality = Modality(server.dimse_port, generate_uid(), side=512)
    with filled(disk):
        modality.send(2)
        assert modality.refused == [0xA700] * 2
        assert settled(server)
    modality.send(2)
    assert len(modality.acknowledged) == 2


def test_import(disk: Path, server: Server, tmp_path: Path) -> None:
    study = generate_uid()
    for n, file in enumerate(slices_of(study)):
        (tmp_path / f"{n}.dcm").write_bytes(file)
    with filled(disk):
        said = server.quick_command("import", str(tmp_path), code=1)
        assert "Out of storage space" in said and "Traceback" not in said
        assert settled(server)
    server.quick_command("import", str(tmp_path))
    assert kept(server, study) == 3


def test_deleting(disk: Path, server: Server, web: httpx.Client, study: str) -> None:
    """It may go through or not, but never by half."""
    with filled(disk):
        answer = web.delete(f"/api/v1/studies/{study}?reason=test")
        assert answer.status_code in (204, 507)
        there = web.get(f"{STUDIES}/{study}/metadata").status_code
        assert there == (404 if answer.status_code == 204 else 200)
    if answer.status_code == 507:
        assert web.delete(f"/api/v1/studies/{study}?reason=test").status_code == 204
    assert kept(server, study) == 0


def test_reading_needs_no_room(disk: Path, web: httpx.Client, study: str) -> None:
    """Nor do the pictures that are made for it, which are kept when there is room."""
    converted = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'
    with filled(disk):
        (series,) = web.get(f"{STUDIES}/{study}/series").json()
        address = f"{STUDIES}/{study}/series/{series['0020000E']['Value'][0]}/instances"
        uid = web.get(address).json()[0]["00080018"]["Value"][0]
        for path in ("", "/metadata", "/rendered", "/thumbnail", "/frames/1"):
            assert web.get(f"{address}/{uid}{path}").status_code == 200, path
        assert web.get(f"{address}/{uid}", headers={"Accept": converted}).status_code == 200
        assert web.get(f"/api/v1/images/{uid}/preview").status_code == 200
        assert web.get(f"{STUDIES}/{study}", headers={"Accept": "application/zip"}).status_code == 200


def test_what_is_made_of_a_large_object_is_made_where_the_reserve_is_kept(
    disk: Path, web: httpx.Client
) -> None:
    large = small_ct(study := generate_uid(), series := generate_uid(), side=2048)
    large.PixelData = bytes(len(large.PixelData))
    large.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert store(web, as_file(large)).status_code == 200
    address = f"{STUDIES}/{study}/series/{series}/instances/{large.SOPInstanceUID}"
    inflated = {"Accept": f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"}
    with filled(disk):
        assert error(web.get(address, headers=inflated)) == (507, "STORAGE_FULL")
    assert web.get(address, headers=inflated).status_code == 200


def test_reading_meanwhile_is_audited(disk: Path, server: Server, web: httpx.Client, study: str) -> None:
    recorded = f"select outcome from audit where action = 'retrieve' and resource = '{study}'"
    with filled(disk):
        assert web.get(f"{STUDIES}/{study}/metadata").status_code == 200
    wait_for(lambda: "success" in server.sql(recorded))


def test_nothing_is_damaged(server: Server, study: str) -> None:
    eventually("it is ready", server.ready)
    server.quick_command("verify")
    server.quick_command("audit", "verify")
    died = [line for line in server.output().splitlines() if "process died" in line]
    assert not died
