"""STOW-RS against a started server: dicomweb-client, and sockets that do what clients should not."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from requests import Session

from tests.conformance.server import PATIENCE, Server
from tests.corpus import SHARED_DATA, needs_corpus
from tests.dicomweb.storing import FAILED, OTHER, REFERENCED, ct, multipart, part10

STUDIES = "/dicom-web/studies"
KIND = 'multipart/related; type="application/dicom"; boundary=b'
MIB = 1 << 20


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


def new_study() -> str:
    """Short enough for series in it to be named after it."""
    return f"2.25.{secrets.randbits(96)}"


def store(web: httpx.Client, *files: bytes, study: str = "") -> httpx.Response:
    path = f"{STUDIES}/{study}" if study else STUDIES
    return web.post(path, content=multipart(files), headers={"Content-Type": KIND}, timeout=60)


def kept(server: Server, study: str) -> int:
    """Instances that are there."""
    found = server.sql(
        "SELECT count(*) FROM instances i JOIN series r ON r.pk = i.series_pk "
        f"JOIN studies s ON s.pk = r.study_pk WHERE s.study_instance_uid = '{study}'"
    )
    return int(found.strip("(),"))


def spooled(server: Server) -> int:
    """Bytes on their way in."""
    return sum(path.stat().st_size for path in (server.data / "spool").rglob("*") if path.is_file())


def settled(server: Server) -> bool:
    """Whether the spool becomes empty."""
    deadline = time.monotonic() + PATIENCE
    while spooled(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    return spooled(server) == 0


@needs_corpus
def test_dicomweb_client_stores_real_files(server: Server) -> None:
    session = Session()
    session.headers["Authorization"] = f"Bearer {server.token()}"
    client = DICOMwebClient(f"{server.url}/dicom-web", session=session)
    files = [dcmread(path) for path in sorted((SHARED_DATA / "ct").glob("*.dcm"))[:5]]
    report = client.store_instances(files)
    stored = {item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence}
    assert stored == {ds.SOPInstanceUID for ds in files}
    assert "FailedSOPSequence" not in report and "OtherFailuresSequence" not in report
    again = client.store_instances(files, study_instance_uid=files[0].StudyInstanceUID)
    assert len(again.ReferencedSOPSequence) >= 1


def test_partial_success_wrong_study_and_noise(server: Server, web: httpx.Client) -> None:
    study, other = new_study(), new_study()
    right, wrong = ct(study), ct(other)
    mixed = store(web, part10(right), part10(wrong), b"noise", study=study)
    assert mixed.status_code == 202
    assert [len(mixed.json()[tag]["Value"]) for tag in (REFERENCED, FAILED, OTHER)] == [1, 1, 1]
    refused = store(web, part10(wrong), study=study)
    assert refused.status_code == 409 and REFERENCED not in refused.json()
    assert (kept(server, study), kept(server, other)) == (1, 0)
    url = mixed.json()[REFERENCED]["Value"][0]["00081190"]["Value"][0]
    assert url.startswith(f"{server.url}{STUDIES}/{study}/series/")


def test_users_without_the_right_cannot_store(server: Server) -> None:
    with server.web("viewer") as viewer:
        assert store(viewer, part10(ct())).status_code == 403
    with httpx.Client(base_url=server.url) as nobody:
        assert store(nobody, part10(ct())).status_code == 401


def test_the_same_instance_many_times_at_once(server: Server, web: httpx.Client) -> None:
    study = new_study()
    same, first, second = part10(ct(study)), part10(ct(study)), part10(ct(study))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda file: store(web, file), [same] * 8 + [first, second]))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert kept(server, study) == 3


def test_one_uid_in_two_studies_is_kept_twice(server: Server, web: httpx.Client) -> None:
    one, two = ct(new_study()), ct(new_study())
    two.SOPInstanceUID = two.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    assert [store(web, part10(ds)).status_code for ds in (one, two)] == [200, 200]
    assert [kept(server, ds.StudyInstanceUID) for ds in (one, two)] == [1, 1]


def test_another_organisation_has_its_own(server: Server, web: httpx.Client) -> None:
    study = new_study()
    ds = ct(study)
    assert store(web, part10(ds)).status_code == 200
    ds.PixelData = bytes(len(ds.PixelData))
    with server.web(organization="elsewhere") as elsewhere:
        assert store(elsewhere, part10(ds)).status_code == 200  # not a version of what others have
    assert kept(server, study) == 2


class Wire:
    """A bare connection that has sent the head of a store request."""

    def __init__(self, server: Server, *headers: str, kind: str = KIND) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.http_port), timeout=PATIENCE)
        lines = (
            f"POST {STUDIES} HTTP/1.1",
            "Host: pacs",
            f"Authorization: Bearer {server.token()}",
            f"Content-Type: {kind}",
            *headers,
            "Connection: close",
        )
        self.socket.sendall("\r\n".join((*lines, "", "")).encode())

    def answer(self) -> int:
        with self.socket, self.socket.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            stream.read()
            return status


def test_line_feeds_alone_and_chunks_of_every_size(server: Server) -> None:
    study = new_study()
    body = b"preamble\n" + multipart([part10(ct(study, side=8))], newline=b"\n") + b"epilogue"
    wire = Wire(server, "Transfer-Encoding: chunked", kind=KIND.replace("=b", '="b"'))
    position, size = 0, 1
    while piece := body[position : position + size]:
        wire.socket.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        position, size = position + size, size + 1
    wire.socket.sendall(b"0\r\n\r\n")
    assert wire.answer() == 200 and kept(server, study) == 1


@pytest.mark.parametrize("side", [64, 2048])  # 8 KiB stays in memory, 8 MiB is on the disk already
def test_a_client_gone_half_way_leaves_nothing_of_the_unfinished(server: Server, side: int) -> None:
    study = new_study()
    body = multipart([part10(ct(study)), part10(ct(study, side=side))])
    wire = Wire(server, f"Content-Length: {len(body)}")
    wire.socket.sendall(body[:-1000])
    deadline = time.monotonic() + PATIENCE
    while kept(server, study) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    wire.socket.close()
    assert settled(server) and kept(server, study) == 1


def test_a_client_that_announces_much_and_sends_nothing(server: Server, web: httpx.Client) -> None:
    wires = [Wire(server, f"Content-Length: {1 << 40}") for _ in range(30)]
    assert store(web, part10(ct(new_study()))).status_code == 200
    for wire in wires:
        wire.socket.close()
    assert settled(server)


def test_empty_bodies(server: Server) -> None:
    assert Wire(server, "Content-Length: 0").answer() == 400
    chunked = Wire(server, "Transfer-Encoding: chunked")
    chunked.socket.sendall(b"0\r\n\r\n")
    assert chunked.answer() == 400


def test_a_huge_object_passes_in_constant_memory(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"PACS_MAX_OBJECT_SIZE": "1GiB"})
    server.start()
    try:
        with server.web() as web:
            store(web, part10(ct(new_study())))  # what is loaded at first use is
            study, before, peak = new_study(), server.memory(), 0
            ds = ct(study, side=8)
            del ds.PixelData
            head = part10(ds) + b"\xe0\x7f\x10\x00" + (384 * MIB).to_bytes(4, "little")

            def body() -> Iterator[bytes]:
                nonlocal peak
                yield multipart([head]).removesuffix(b"\r\n--b--\r\n")
                for number in range(384):
                    yield bytes(MIB)
                    if number % 64 == 63:
                        peak = max(peak, server.memory())
                yield b"\r\n--b--"

            answer = web.post(STUDIES, content=body(), headers={"Content-Type": KIND}, timeout=120)
        assert answer.status_code == 200 and kept(server, study) == 1
        assert peak - before < 64 * MIB
    finally:
        server.stop()


def test_too_large_is_413(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"PACS_MAX_OBJECT_SIZE": "1MiB"})
    server.start()
    try:
        with server.web() as web:
            file = part10(ct(side=1024))
            assert store(web, file).status_code == 413
            uploaded = web.post("/api/v1/images/upload", files={"file": file})
            assert (uploaded.status_code, uploaded.json()["code"]) == (413, "FILE_TOO_LARGE")
            assert server.blobs() == 0 and settled(server)
    finally:
        server.stop()


def test_what_was_acknowledged_survives_kill_9(fresh_server: Server) -> None:
    study, acknowledged = new_study(), list[str]()
    token = fresh_server.token()

    def send() -> None:
        with httpx.Client(base_url=fresh_server.url, headers={"Authorization": f"Bearer {token}"}) as web:
            while True:
                slices: list[Dataset] = [ct(study) for _ in range(3)]
                try:
                    answer: Any = store(web, *map(part10, slices))
                except httpx.TransportError:
                    return
                stored = answer.json().get(REFERENCED, {"Value": []})  # or it was refused for now
                acknowledged.extend(item["00081155"]["Value"][0] for item in stored["Value"])

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    deadline = time.monotonic() + PATIENCE
    while len(acknowledged) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    fresh_server.kill()
    for sender in senders:
        sender.join()
    fresh_server.start()
    there = fresh_server.sql("SELECT sop_instance_uid FROM instances")
    assert len(acknowledged) >= 20 and all(uid in there for uid in acknowledged)
    assert settled(fresh_server)
