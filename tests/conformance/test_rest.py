"""The REST API over studies and images, against a started server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from io import BytesIO
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.conformance.senders import find, small_ct
from tests.conformance.server import PATIENCE, Server
from tests.waiting import eventually


def as_file(data_set: Dataset) -> bytes:
    written = BytesIO()
    data_set.save_as(written, enforce_file_format=True)
    return written.getvalue()


def store(client: httpx.Client, data_set: Dataset) -> bytes:
    content = as_file(data_set)
    answer = client.post("/dicom-web/studies", content=content, headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 200, answer.text
    return content


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.web() as made:
        yield made


@pytest.fixture
def study(client: httpx.Client) -> list[Dataset]:
    """Two series of two images each, sent in no particular order."""
    study, second, first = (generate_uid() for _ in range(3))
    made = []
    for series, number, instance in ((second, 2, 2), (first, 1, 10), (second, 2, 1), (first, 1, 9)):
        ct = small_ct(study, series)
        ct.PatientName = "RESTFUL^ANNA"
        ct.PatientID, ct.SeriesNumber, ct.InstanceNumber = f"R{study[-9:]}", number, instance
        ct.AccessionNumber, ct.StudyDescription = study[-12:], "Thorax nativ"
        ct.BodyPartExamined = "CHEST" if number == 1 else "SHOULDER"
        ct.PixelSpacing, ct.SliceThickness = [0.5, 0.25], "1.5"
        ct.WindowCenter, ct.WindowWidth = [40, 300], [400, 2000]
        ct.Manufacturer, ct.ManufacturerModelName = "ACME", "Ring 5"
        store(client, ct)
        made.append(ct)
    return made


def error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"status", "code", "message", "correlation_id"}
    assert body["correlation_id"] == answer.headers["X-Correlation-ID"]
    return answer.status_code, body["code"]


def test_a_study_and_what_is_in_it(client: httpx.Client, study: list[Dataset]) -> None:
    uid = study[0].StudyInstanceUID
    found = client.get(f"/api/v1/studies/{uid}").json()
    patient = {"id": study[0].PatientID, "name": "RESTFUL^ANNA", "birth_date": None, "sex": None}
    assert found["patient"] == patient
    assert (found["series_count"], found["image_count"], found["modalities"]) == (2, 4, ["CT"])
    assert (found["state"], found["priority"]) == ("receiving", "normal")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", found["last_received_at"])
    series = client.get(f"/api/v1/studies/{uid}/series").json()
    assert [(each["number"], each["image_count"]) for each in series["items"]] == [(1, 2), (2, 2)]
    qido = client.get(f"/dicom-web/studies/{uid}/series").json()
    assert {each["series_instance_uid"] for each in series["items"]} == {
        each["0020000E"]["Value"][0] for each in qido
    }
    for path in ("images", "instances"):
        images = client.get(f"/api/v1/studies/{uid}/{path}?limit=3&offset=1").json()
        assert (images["total"], images["limit"], images["offset"]) == (4, 3, 1)
        assert [(i["series_number"], i["instance_number"], i["frames"]) for i in images["items"]] == [
            (1, 10, 1),
            (2, 1, 1),
            (2, 2, 1),
        ]


def test_images_of_two_patients_in_one_study_are_flagged(client: httpx.Client) -> None:
    """Neither DICOM nor the list of studies shows it otherwise."""
    uid = generate_uid()
    for patient in ("CONFLICT-1", "CONFLICT-2"):
        store(client, small_ct(uid, generate_uid(), patient=patient))
    found = client.get(f"/api/v1/studies/{uid}").json()
    assert (found["patient"]["id"], found["flags"]) == ("CONFLICT-1", ["patient_conflict"])
    listed = client.get("/api/v1/studies", params={"study_instance_uid": uid}).json()["items"]
    assert [each["flags"] for each in listed] == [["patient_conflict"]]


def test_an_image(client: httpx.Client, server: Server, study: list[Dataset]) -> None:
    ct = study[0]
    image = client.get(f"/api/v1/images/{ct.SOPInstanceUID}").json()
    assert (image["rows"], image["columns"], image["frames"]) == (ct.Rows, ct.Columns, 1)
    assert (image["pixel_spacing"], image["slice_thickness"]) == ([0.5, 0.25], 1.5)
    assert (image["window_center"], image["window_width"]) == ([40, 300], [400, 2000])
    assert (image["manufacturer"], image["model"]) == ("ACME", "Ring 5")
    here = f"{server.url}/api/v1/images/{ct.SOPInstanceUID}"
    assert (image["url"], image["thumbnail_url"]) == (here, f"{here}/thumbnail")
    path = f"/dicom-web/studies/{ct.StudyInstanceUID}/series/{ct.SeriesInstanceUID}/instances/"
    assert (
        client.get(f"/api/v1/images/{ct.SOPInstanceUID}/metadata").json()
        == client.get(f"{path}{ct.SOPInstanceUID}/metadata").json()
    )
    newest = client.get("/api/v1/images?limit=1").json()["items"][0]
    assert newest["sop_instance_uid"] == study[-1].SOPInstanceUID
    mine = client.get("/api/v1/images", params={"patient_id": ct.PatientID}).json()
    assert mine["total"] == 4


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("status=receiving", True),
        ("state=unread", False),
        ("status=receiving,unread&priority=normal", True),
        ("priority=urgent", False),
        ("modality=ct", True),
        ("modality=MR,CT", True),
        ("modality=MR", False),
        ("modality=%00C%00T", True),
        ("body_part=shoulder", True),
        ("body_part=HEAD,CHEST", True),
        ("body_part=HEAD", False),
        ("patient_name=restful", True),
        ("patient=Anna", True),
        ("description=nativ", True),
        ("description=nativ*", False),
        ("date=2026-01-02", True),
        ("date=20260101-20260131", True),
        ("date_from=2026-01-03", False),
        ("date_from=1900-01-01&date_to=1900-12-31", False),
        ("sort=received", True),
        ("sort=-patient_name", True),
    ],
)
def test_filters(client: httpx.Client, study: list[Dataset], query: str, fits: bool) -> None:
    accession = f"accession={study[0].AccessionNumber}"
    answer = client.get(f"/api/v1/studies?{accession}&{query}")
    assert answer.status_code == 200
    assert answer.json()["total"] == len(answer.json()["items"]) == int(fits)


def test_patients_are_found_by_number(client: httpx.Client, study: list[Dataset]) -> None:
    assert client.get("/api/v1/studies", params={"patient": study[0].PatientID}).json()["total"] == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("colour=red", "UNKNOWN_PARAMETER"),
        ("Modality=CT", "UNKNOWN_PARAMETER"),
        ("status=lost", "BAD_REQUEST"),
        ("limit=0", "BAD_REQUEST"),
        ("limit=1&limit=2", "BAD_REQUEST"),
        ("sort=mood", "BAD_REQUEST"),
        ("date=yesterday", "INVALID_QUERY"),
        ("study_instance_uid=x", "INVALID_QUERY"),
    ],
)
def test_a_filter_that_is_none_is_refused(client: httpx.Client, query: str, code: str) -> None:
    assert error(client.get(f"/api/v1/studies?{query}")) == (400, code)


def test_images_fill_a_study_that_was_expected(client: httpx.Client, server: Server) -> None:
    body = {
        "patient_name": "Late^Lara",
        "study_description": "CT head",
        "modality": "CT",
        "priority": "urgent",
    }
    made = client.post("/api/v1/studies", json=body)
    assert made.status_code == 201
    uid = made.json()["study_instance_uid"]
    assert uid.startswith("2.25.") and made.json()["state"] == "expected"
    assert made.json()["first_received_at"] is made.json()["last_received_at"] is None
    assert made.headers["Location"].endswith(f"/api/v1/studies/{uid}")
    assert client.get("/api/v1/studies", params={"study_instance_uid": uid, "status": "expected"}).json()[
        "total"
    ]
    assert left(client, server, uid) == (0, 0, 0) and not in_qido(client, uid)
    again = client.post("/api/v1/studies", json={"study_instance_uid": uid})
    assert error(again) == (409, "CONFLICT")
    changed = client.patch(f"/api/v1/studies/{uid}", json={"study_description": "CT brain"})
    assert changed.json()["description"] == "CT brain"
    store(client, small_ct(uid, generate_uid(), patient="L1"))
    assert in_qido(client, uid)
    found = client.get(f"/api/v1/studies/{uid}").json()
    assert (found["state"], found["priority"], found["image_count"]) == ("receiving", "urgent", 1)
    assert found["patient"]["id"] and found["flags"] == []
    late = client.patch(f"/api/v1/studies/{uid}", json={"study_description": "CT brain"})
    assert error(late) == (409, "CONFLICT")
    said = {"priority": "stat", "clinical_notes": "fell", "body_part": "HAND"}
    noted = client.patch(f"/api/v1/studies/{uid}", json=said).json()
    assert {name: noted[name] for name in said} == said
    jump = client.patch(f"/api/v1/studies/{uid}", json={"state": "final"})
    assert error(jump) == (409, "ILLEGAL_TRANSITION")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"study_instance_uid": "1.02"}', 422),
        ('{"study_instance_uid": "abc"}', 422),
        ('{"priority": "whenever"}', 422),
        ('{"patient": "x"}', 422),
        ('{"study_description": "a\\\\b"}', 422),
        ("[]", 422),
        ("{", 400),
        ("\ud83d".encode("utf-8", "surrogatepass"), 400),
    ],
)
def test_a_body_that_does_not_fit_is_refused(client: httpx.Client, body: str | bytes, status: int) -> None:
    answer = client.post("/api/v1/studies", content=body, headers={"Content-Type": "application/json"})
    assert error(answer)[0] == status


def in_qido(client: httpx.Client, uid: str) -> bool:
    found = client.get("/dicom-web/studies", params={"StudyInstanceUID": uid})
    return found.status_code == 200 and bool(found.json())


def left(client: httpx.Client, server: Server, uid: str) -> tuple[int, int, int]:
    """What QIDO, C-FIND and the REST API say of the images of a study."""
    qido = client.get("/dicom-web/instances", params={"StudyInstanceUID": uid, "limit": "1000"})
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID = "STUDY", uid
    identifier.NumberOfStudyRelatedInstances = ""
    found = find(server.dimse_port, identifier)
    rest = client.get("/api/v1/images", params={"study_instance_uid": uid}).json()["total"]
    counted = int(found[0].NumberOfStudyRelatedInstances) if found else 0
    return len(qido.json()) if qido.status_code == 200 else 0, counted, rest


def test_what_is_deleted_is_gone_everywhere(
    client: httpx.Client, server: Server, study: list[Dataset]
) -> None:
    ct = study[0]
    uid, sop = ct.StudyInstanceUID, ct.SOPInstanceUID
    instance = f"/dicom-web/studies/{uid}/series/{ct.SeriesInstanceUID}/instances/{sop}"
    assert left(client, server, uid) == (4, 4, 4)
    pictures = [f"/api/v1/images/{sop}/thumbnail", f"{instance}/rendered"]
    tags = [client.get(path).headers["ETag"] for path in pictures]  # they are cached now
    unreasoned = client.delete(f"/api/v1/images/{sop}")
    assert unreasoned.status_code == 400 and "reason" in unreasoned.json()["message"]
    assert client.delete(f"/api/v1/images/{sop}?reason=blurred").status_code == 204
    assert left(client, server, uid) == (3, 3, 3)
    for path in (f"/api/v1/images/{sop}", f"/api/v1/images/{sop}/metadata", instance, f"{instance}/metadata"):
        assert client.get(path).status_code == 404, path
    for path, tag in zip(pictures, tags, strict=True):
        assert client.get(path).status_code == 404, path
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 404, path
    assert error(client.delete(f"/api/v1/images/{sop}?reason=again")) == (404, "NOT_FOUND")
    body = client.request("DELETE", f"/api/v1/studies/{uid}", json={"reason": "wrong patient"})
    assert body.status_code == 204
    assert left(client, server, uid) == (0, 0, 0)
    for path in ("", "/series", "/images"):
        assert error(client.get(f"/api/v1/studies/{uid}{path}")) == (404, "NOT_FOUND")
    assert client.get(f"/dicom-web/studies/{uid}").status_code == 404
    store(client, ct)
    assert left(client, server, uid) == (1, 1, 1)


@pytest.mark.parametrize("role", ["technician", "radiologist", "viewer"])
def test_deleting_needs_the_right_to(server: Server, study: list[Dataset], role: str) -> None:
    with server.web(role) as client:
        answer = client.delete(f"/api/v1/studies/{study[0].StudyInstanceUID}?reason=test")
        assert error(answer) == (403, "FORBIDDEN")
        assert client.get(f"/api/v1/studies/{study[0].StudyInstanceUID}").status_code == 200


def test_another_organisation_sees_nothing(server: Server, study: list[Dataset]) -> None:
    uid, sop = study[0].StudyInstanceUID, study[0].SOPInstanceUID
    with server.web(organization="elsewhere") as client:
        assert client.get("/api/v1/studies").json()["total"] == 0
        assert client.get("/api/v1/images").json()["total"] == 0
        for path in (f"studies/{uid}", f"images/{sop}", f"images/{sop}/metadata", f"images/{sop}/url"):
            assert client.get(f"/api/v1/{path}").status_code == 404
        for path in (f"studies/{uid}", f"images/{sop}"):
            assert client.delete(f"/api/v1/{path}?reason=mischief").status_code == 404
        assert client.patch(f"/api/v1/studies/{uid}", json={"priority": "low"}).status_code == 404
        made = client.post("/api/v1/studies", json={"study_instance_uid": uid})
        assert made.status_code == 201  # whoever else has one of this name is nobody's business
        assert client.delete(f"/api/v1/studies/{uid}?reason=cleaning").status_code == 204
    with server.web() as mine:
        assert mine.get(f"/api/v1/studies/{uid}").status_code == 200


def altered(url: str, **changes: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | changes)).geturl()


def test_a_signed_address_opens_one_image_for_a_while(client: httpx.Client, study: list[Dataset]) -> None:
    sop, other = study[0].SOPInstanceUID, study[1].SOPInstanceUID
    answer = client.get(f"/api/v1/images/{sop}/url?expires=300").json()
    assert answer["expires_in"] == 300
    url = answer["url"]
    with httpx.Client() as nobody:
        opened = nobody.get(url)
        assert opened.status_code == 200 and opened.headers["Content-Type"] == "application/dicom"
        assert opened.content == as_file(study[0])
        until = str(int(time.time()) + 9999)
        for wrong in (
            url.replace(sop, other),
            altered(url, expires=until),
            altered(url, organization="2"),
            altered(url, by="somebody@else"),
            altered(url, signature="0" * 64),
            urlsplit(url)._replace(query="").geturl(),
        ):
            assert error(nobody.get(wrong)) == (403, "BAD_SIGNATURE")
        for more in ("window=1,2,linear", "accept=image/png", "transferSyntax=1.2.840.10008.1.2", "sop=1.2"):
            assert error(nobody.get(f"{url}&{more}")) == (400, "UNKNOWN_PARAMETER")
        assert error(nobody.get(f"{url}&organization=2")) == (400, "BAD_REQUEST")
        for asking in ({"Accept": "image/png"}, {"Accept": "application/json"}, {"X-Organization": "2"}):
            assert nobody.get(url, headers=asking).content == opened.content
        for beyond in ("/metadata", "/original", "/frames/1", "/url"):
            assert nobody.get(url.replace("?", f"{beyond}?")).status_code in (401, 404)
            assert nobody.get(url.replace("/signed", "").replace("?", f"{beyond}?")).status_code in (401, 404)
        assert error(nobody.get(url.replace("/signed", "")))[0] == 401
        assert error(nobody.delete(url))[0] == 405
        brief = client.get(f"/api/v1/images/{sop}/url?expires=1").json()["url"]
        time.sleep(2.1)
        assert error(nobody.get(brief)) == (403, "BAD_SIGNATURE")


def test_a_signed_address_ends_with_the_user_who_made_it(server: Server, study: list[Dataset]) -> None:
    sop = str(study[0].SOPInstanceUID)
    leaving = "leaving@default.test"
    token = server.quick_command(
        "token", "create", "--email", leaving, "--role", "viewer", "--create"
    ).strip()
    asked = f"{server.url}/api/v1/images/{sop}/url?expires=300"
    url = httpx.get(asked, headers={"Authorization": f"Bearer {token}"}).json()["url"]
    assert httpx.get(url).status_code == 200
    server.quick_command("user", "disable", leaving)
    assert httpx.get(url).status_code == 403


def test_a_deleted_study_is_brought_back(client: httpx.Client, server: Server) -> None:
    study = generate_uid()
    file = as_file(small_ct(study, generate_uid()))
    task = client.post("/api/v1/uploads", files={"file": ("ct.dcm", file)}).json()
    task_is_over(client, task["url"])
    gone = client.delete(f"/api/v1/studies/{study}?reason=a%20mistake")
    assert gone.status_code == 204
    assert client.get(f"/api/v1/studies/{study}").status_code == 404
    deletion = client.get("/api/v1/deletions?limit=1&can_be_restored=true").json()["items"][0]
    assert (deletion["study_instance_uid"], deletion["can_be_restored"]) == (study, True)
    assert (deletion["reason"], deletion["modalities"]) == ("a mistake", ["CT"])
    assert client.get(gone.headers["Location"]).json() == deletion
    assert error(client.get("/api/v1/deletions?can_be_restored=perhaps"))[0] == 400
    path = f"/api/v1/deletions/{deletion['id']}/restore"
    with server.web("radiologist") as reader, server.web(organization="elsewhere") as stranger:
        assert reader.post(path).status_code == 403
        assert reader.get("/api/v1/deletions").status_code == 403
        assert stranger.get(gone.headers["Location"]).status_code == 404
        assert stranger.post(path).status_code == 404
    answer = client.post(path)
    assert answer.status_code == 202 and answer.headers["Location"] == answer.json()["url"]
    task_is_over(client, answer.json()["url"])
    (image,) = client.get(f"/api/v1/studies/{study}/images").json()["items"]
    assert client.get(f"{image['url']}/full").content == file
    assert client.post(path).json()["task_id"] == answer.json()["task_id"]
    assert not client.get("/api/v1/deletions?limit=1").json()["items"][0]["can_be_restored"]


def task_is_over(client: httpx.Client, url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while client.get(url).json()["status"] != "completed" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.get(url).json()["status"] == "completed"


@pytest.mark.parametrize("path", ["/api/v1/studies/", "/health/", "/health/live/", "/dicom-web/studies/"])
def test_a_slash_at_the_end_leads_nowhere_else(client: httpx.Client, path: str) -> None:
    if "health" in path:  # a busy machine may not tell in time that it is well
        eventually("it is there", lambda: client.get(path, follow_redirects=False).status_code == 200)
    else:
        assert client.get(path, follow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    "path", ["deletions/{}", "deletions/{}/restore", "tasks/{}", "upload-progress/{}", "images/patient/{}"]
)
def test_nothing_is_called_by_a_null(client: httpx.Client, path: str) -> None:
    """PostgreSQL takes no such text at all."""
    method = "POST" if path.endswith("restore") else "GET"
    answer = client.request(method, f"/api/v1/{path.format('a%00b')}")
    assert error(answer) == (404, "NOT_FOUND")


def test_a_study_is_processed_once_at_a_time(client: httpx.Client, server: Server) -> None:
    study = generate_uid()
    file = as_file(small_ct(study, generate_uid()))
    task_is_over(client, client.post("/api/v1/uploads", files={"file": ("ct.dcm", file)}).json()["url"])
    path = f"/api/v1/studies/{study}/process"
    answers = [client.post(path) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    task_is_over(client, answers[1].json()["url"])
    task = client.get(answers[1].json()["url"]).json()
    assert (task["kind"], task["processed_items"], task["failed_items"]) == ("process", 1, 0)
    (image,) = client.get(f"/api/v1/studies/{study}/images").json()["items"]
    assert client.get(image["thumbnail_url"]).headers["X-Cache"] == "HIT"
    assert client.post(f"/api/v1/studies/{generate_uid()}/process").status_code == 404
    with server.web("viewer") as viewer, server.web(organization="elsewhere") as stranger:
        assert viewer.post(path).status_code == 403
        assert stranger.post(path).status_code == 404


def test_jobs_are_for_administrators_alone(client: httpx.Client, server: Server) -> None:
    assert client.get("/api/v1/jobs").json().keys() == {"items", "total", "limit", "offset"}
    assert client.get("/api/v1/jobs?state=failed").json()["items"] == []
    assert error(client.get("/api/v1/jobs?state=lost"))[0] == 400
    assert error(client.delete("/api/v1/jobs"))[0] == 400
    assert error(client.delete("/api/v1/jobs?state=running"))[0] == 400
    assert client.delete("/api/v1/jobs?state=failed").json() == {"dropped": 0}
    assert error(client.post("/api/v1/jobs/4711/retry")) == (404, "NOT_FOUND")
    with server.web("manager") as manager:
        assert manager.get("/api/v1/jobs").status_code == 403
