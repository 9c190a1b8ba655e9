"""Uploads as tasks, against a started server."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydicom.uid import generate_uid

from tests.conformance.senders import small_ct
from tests.conformance.server import PATIENCE, Server
from tests.conformance.test_rest import as_file, error


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.web() as made:
        yield made


def images(study: str, count: int, side: int = 16) -> dict[str, bytes]:
    series = generate_uid()
    return {f"{n}.dcm": as_file(small_ct(study, series, side=side)) for n in range(count)}


def zipped(members: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def upload(
    client: httpx.Client, path: str, files: Mapping[str, bytes], field: str = "files"
) -> dict[str, Any]:
    parts = [(field, (name, content)) for name, content in files.items()]
    answer = client.post(f"/api/v1/{path}", files=parts)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == "pending" and body["message"]
    assert answer.headers["Location"] == body["url"]
    return body


def finished(client: httpx.Client, number: str) -> dict[str, Any]:
    """Its progress may only grow meanwhile."""
    before, deadline = 0, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        task: dict[str, Any] = client.get(f"/api/v1/uploads/{number}/progress").json()
        assert task["progress"] >= before
        before = task["progress"]
        if task["status"] in ("completed", "failed"):
            return task
        time.sleep(0.1)
    raise AssertionError(task)


def count(client: httpx.Client, study: str) -> int:
    return int(client.get("/api/v1/images", params={"study_instance_uid": study}).json()["total"])


def test_files_of_a_study(client: httpx.Client) -> None:
    study, other = generate_uid(), generate_uid()
    stranger = as_file(small_ct(other, generate_uid()))
    files = {
        **images(study, 2),
        "stranger.dcm": stranger,
        "noise.dcm": b"not at all",
        "cut.dcm": stranger[:150],
    }
    task = upload(client, f"studies/{study}/upload", files, "images")
    done = finished(client, task["task_id"])
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert (done["processed_items"], done["failed_items"], done["total_items"]) == (2, 3, 5)
    reasons = {each["name"]: each["code"] for each in done["failed"]}
    assert reasons["stranger.dcm"] == "DATA_SET_MISMATCH" and set(reasons) == set(files) - {"0.dcm", "1.dcm"}
    assert len(done["errors"]) == 3
    assert (count(client, study), count(client, other)) == (2, 0)
    assert client.get(f"/api/v1/tasks/{task['task_id']}").json() == done
    assert client.get("/api/v1/tasks?limit=1").json()["items"][0]["id"] == task["task_id"]


def test_a_single_image(client: httpx.Client) -> None:
    study = generate_uid()
    task = upload(client, "images/upload", images(study, 1), "file")
    assert finished(client, task["task_id"])["processed_items"] == 1
    (image,) = client.get("/api/v1/images", params={"study_instance_uid": study}).json()["items"]
    assert image["sop_instance_uid"] == task["sop_instance_uid"]


@pytest.mark.parametrize("file", [b"not at all", bytes(128) + b"DICM\x02\0"])
def test_what_is_no_image_has_no_uid(client: httpx.Client, file: bytes) -> None:
    assert upload(client, "images/upload", {"x.dcm": file}, "file")["sop_instance_uid"] is None


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives_of_many_studies(client: httpx.Client, kind: str) -> None:
    studies = [generate_uid() for _ in range(3)]
    members = {f"disc/{n}/{name}": file for n, s in enumerate(studies) for name, file in images(s, 4).items()}
    members |= {"disc/README.TXT": b"Viewer inside!", "disc/autorun.inf": b"", "disc/view.exe": b"MZ" * 99}
    content = zipped(members) if kind == "zip" else tarred(members)
    task = upload(client, "uploads", {f"disc.{kind}": content}, "file")
    done = finished(client, task["task_id"])
    assert (done["processed_items"], done["skipped_items"], done["failed_items"]) == (12, 3, 0)
    assert [count(client, study) for study in studies] == [4, 4, 4]


@pytest.mark.parametrize("name", ["upload-dicom-files/", "upload-dicom-folder/"])
def test_uploading_has_other_names(client: httpx.Client, name: str) -> None:
    study = generate_uid()
    number = upload(client, name, images(study, 2))["task_id"]
    assert finished(client, number)["processed_items"] == count(client, study) == 2
    task = client.get(f"/api/v1/upload-progress/{number}/", follow_redirects=False).json()
    assert (task["id"], task["status"], task["progress"]) == (number, "completed", 100)


def test_the_images_of_a_patient(client: httpx.Client, server: Server) -> None:
    """By the very ID: what would be a wildcard elsewhere is none here, and a slash belongs to it."""
    number = generate_uid()[-12:]
    sent = {pid: small_ct(generate_uid(), generate_uid()) for pid in (f"{number}/1", f"{number}/*", number)}
    for pid, ds in sent.items():
        ds.PatientID = pid
    upload_all = upload(client, "uploads", {str(n): as_file(ds) for n, ds in enumerate(sent.values())})
    finished(client, upload_all["task_id"])

    def found(web: httpx.Client, pid: str) -> list[str]:
        answer = web.get(f"/api/v1/images/patient/{quote(pid, safe='')}").json()
        assert answer["total"] == len(answer["items"])
        return [each["sop_instance_uid"] for each in answer["items"]]

    for pid, ds in sent.items():
        assert found(client, pid) == [ds.SOPInstanceUID]
    assert found(client, number[:-1]) == []
    with server.web(organization="elsewhere") as other:
        assert found(other, number) == []
    assert client.get("/api/v1/images/patient/x%00").status_code == 404
    assert client.get("/api/v1/images/patient/x?name=y").status_code == 400


def tarred(members: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return written.getvalue()


@pytest.mark.parametrize(
    "content",
    [zipped({"../x": b""}), tarred({"/x": b""}), zipped({"x": bytes(110 << 20)})],
    ids=["zip climbs out", "tar climbs out", "bomb"],
)
def test_dangerous_archives_are_refused(client: httpx.Client, content: bytes) -> None:
    before = client.get("/api/v1/tasks").json()["total"]
    answer = client.post("/api/v1/uploads", files={"file": ("x.zip", content)})
    assert error(answer) == (422, "UNSAFE_ARCHIVE")
    assert client.get("/api/v1/tasks").json()["total"] == before


def test_what_is_no_form_is_refused(client: httpx.Client) -> None:
    assert error(client.post("/api/v1/uploads", json={})) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert error(client.post("/api/v1/uploads", data={"a": "b"}, files={}))[0] in (400, 415)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (
        b"",
        b"--x--",
        b"--x\r\n\r\nabc",
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--",
    ):
        assert error(client.post("/api/v1/uploads", content=body, headers=headers))[0] == 400


def test_names_are_only_shown(client: httpx.Client) -> None:
    study = generate_uid()
    content = next(iter(images(study, 1).values()))
    for name in ("../../etc/passwd", "C:\\x", "a\x00b", "ä" * 400, ""):
        answer = client.post("/api/v1/uploads", files={"file": (name, content)})
        assert answer.status_code in (202, 400), name
    task = upload(client, "uploads", {"../../etc/passwd": content})
    assert finished(client, task["task_id"])["processed_items"] == 1
    assert count(client, study) == 1


def test_another_organisation_does_not_see_a_task(client: httpx.Client, server: Server) -> None:
    task = upload(client, "uploads", images(generate_uid(), 1))["task_id"]
    with server.web(organization="elsewhere") as other:
        assert other.get(f"/api/v1/tasks/{task}").status_code == 404
        assert other.get(f"/api/v1/uploads/{task}/progress").status_code == 404
        assert other.get("/api/v1/tasks").json()["total"] == 0
    with server.web("viewer") as viewer:
        assert viewer.post("/api/v1/uploads", files={"file": b"x"}).status_code == 403
    finished(client, task)


def test_a_task_outlives_kill_9(fresh_server: Server) -> None:
    study = generate_uid()
    server = fresh_server
    server.environment["PACS_JOB_LEASE"] = "2"
    server.stop()
    server.start()
    with server.web() as client:
        task = upload(client, "uploads", {"all.zip": zipped(images(study, 150))})["task_id"]
        deadline = time.monotonic() + PATIENCE
        while not count(client, study) and time.monotonic() < deadline:
            time.sleep(0.02)
    server.kill()
    server.start()
    with server.web() as client:
        done = finished(client, task)
        assert (done["status"], done["processed_items"], done["failed_items"]) == ("completed", 150, 0)
        assert count(client, study) == 150
