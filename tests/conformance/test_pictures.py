"""JPEG and PNG files over REST become Secondary Captures, against a started server."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from tests.conformance.senders import small_ct
from tests.conformance.server import Server
from tests.conformance.test_rest import as_file, error
from tests.conformance.test_uploads import finished, zipped

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.web() as made:
        yield made


def picture(kind: str, **how: Any) -> bytes:
    written = io.BytesIO()
    Image.linear_gradient("L").resize((31, 17)).convert("RGB").save(written, kind, **how)
    return written.getvalue()


JPEG, PNG, PROGRESSIVE = picture("JPEG"), picture("PNG"), picture("JPEG", progressive=True)


def upload(
    client: httpx.Client, path: str, files: Mapping[str, bytes], **fields: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The finished task, and the images that have come."""
    before = {each["sop_instance_uid"] for each in images(client)}
    parts = [("file", (name, content)) for name, content in files.items()]
    answer = client.post(f"/api/v1/{path}", data=fields, files=parts)
    assert answer.status_code == 202, answer.text
    task = finished(client, answer.json()["task_id"])
    made = [each for each in images(client) if each["sop_instance_uid"] not in before]
    if path == "images/upload" and made:
        assert answer.json()["sop_instance_uid"] == made[0]["sop_instance_uid"]
    return task, made


def images(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/images?limit=1000").json()["items"]
    return found


def retrieved(client: httpx.Client, image: Mapping[str, Any]) -> Dataset:
    return dcmread(io.BytesIO(client.get(f"/api/v1/images/{image['sop_instance_uid']}/full").content))


@pytest.mark.parametrize(
    ("file", "kind"), [(JPEG, "image/jpeg"), (PNG, "image/png"), (PROGRESSIVE, "image/jpeg")]
)
def test_a_picture_of_a_patient(client: httpx.Client, file: bytes, kind: str) -> None:
    said = {"patient_id": generate_uid()[-16:], "patient_name": "Doe^Jane", "body_part": "HAND"}
    task, (image,) = upload(client, "images/upload", {"hand.jpg": file}, **said)
    assert (task["status"], task["processed_items"], task["failed_items"]) == ("completed", 1, 0)
    (study,) = client.get("/dicom-web/studies", params={"PatientID": said["patient_id"]}).json()
    assert study["00080061"]["Value"] == ["OT"]
    assert study["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert image["sop_class_uid"] == SECONDARY_CAPTURE
    found = client.get(f"/api/v1/images/{image['sop_instance_uid']}").json()
    assert (found["is_dicom"], found["rows"], found["columns"]) == (False, 17, 31)
    original = client.get(f"/api/v1/images/{image['sop_instance_uid']}/original")
    assert (original.headers["content-type"], original.content) == (kind, file)
    series = f"studies/{image['study_instance_uid']}/series/{image['series_instance_uid']}"
    address = f"/dicom-web/{series}/instances/{image['sop_instance_uid']}/rendered"
    rendered = client.get(address, headers={"Accept": "image/png"})
    shown = Image.open(io.BytesIO(rendered.content)).convert("L")
    expected = Image.open(io.BytesIO(file)).convert("L")
    assert shown.size == expected.size
    pairs = zip(shown.tobytes(), expected.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 8
    ds = retrieved(client, image)
    assert (ds.BodyPartExamined, ds.Modality, ds.ConversionType) == ("HAND", "OT", "WSD")


def test_a_picture_of_a_study_that_is_here_has_its_attributes(client: httpx.Client) -> None:
    study, series = generate_uid(), generate_uid()
    ct = small_ct(study, series)
    ct.PatientName, ct.PatientBirthDate, ct.AccessionNumber = "Müller^Anna", "19700101", "A77"
    ct.SpecificCharacterSet, ct.TimezoneOffsetFromUTC = "ISO_IR 192", "+0530"
    sent, _ = upload(client, f"studies/{study}/upload", {"ct.dcm": as_file(ct)})
    task, made = upload(client, f"studies/{study}/upload", {"a.jpg": JPEG, "b.png": PNG}, modality="XC")
    assert (sent["failed_items"], task["failed_items"], len(made)) == (0, 0, 2)
    assert len({each["series_instance_uid"] for each in made} - {series}) == 1
    for image in made:
        ds = retrieved(client, image)
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber", "StudyDate"):
            assert ds.get(keyword) == ct.get(keyword), keyword
        assert (ds.StudyInstanceUID, ds.Modality) == (study, "XC")
    assert sorted(each["instance_number"] for each in made) == [1, 2]
    (found,) = client.get("/dicom-web/studies", params={"StudyInstanceUID": study}).json()
    assert sorted(found["00080061"]["Value"]) == ["CT", "XC"]


def test_a_patient_who_is_here_is_the_same_one(client: httpx.Client) -> None:
    ct = small_ct(generate_uid(), generate_uid())
    ct.PatientID, ct.PatientName, ct.PatientSex = generate_uid()[-16:], "Known^Carl", "M"
    upload(client, "uploads", {"ct.dcm": as_file(ct)})
    said = {"patient_id": ct.PatientID, "patient_name": "Misspelt^Karl", "study_description": "Photographs"}
    _, (image,) = upload(client, "images/upload", {"a.png": PNG}, **said)
    ds = retrieved(client, image)
    assert (ds.PatientName, ds.PatientSex, ds.StudyDescription) == ("Known^Carl", "M", "Photographs")


def test_a_picture_of_an_expected_study(client: httpx.Client) -> None:
    body = {"patient_id": "E1", "patient_name": "Await^Ed", "study_description": "Wound"}
    study = client.post("/api/v1/studies", json=body).json()["study_instance_uid"]
    _, (image,) = upload(client, f"studies/{study}/upload", {"a.jpg": JPEG})
    ds = retrieved(client, image)
    assert (ds.PatientName, ds.StudyDescription) == ("Await^Ed", "Wound")


def test_a_picture_of_nobody_knows_whom_is_refused(client: httpx.Client) -> None:
    study = generate_uid()
    upload(client, "uploads", {"ct.dcm": as_file(small_ct(study, generate_uid()))})
    for path, fields, code in (
        ("images/upload", {}, "UNPROCESSABLE"),
        (f"studies/{generate_uid()}/upload", {}, "UNPROCESSABLE"),
        (f"studies/{study}/upload", {"patient_id": "somebody else"}, "DATA_SET_MISMATCH"),
    ):
        task, made = upload(client, path, {"a.jpg": JPEG}, **fields)
        assert [each["code"] for each in task["failed"]] == [code]
        assert not made


def test_pictures_in_archives_are_passed_over(client: httpx.Client) -> None:
    task, made = upload(client, "uploads", {"disc.zip": zipped({"logo.png": PNG})}, patient_id="P")
    assert (task["skipped_items"], task["failed_items"], made) == (1, 0, [])


@pytest.mark.parametrize("fields", [{"patient_sex": "X"}, {"study_date": "tomorrow"}, {"patient_id": "a\\b"}])
def test_a_field_that_is_no_such_value_refuses_the_form(client: httpx.Client, fields: dict[str, str]) -> None:
    answer = client.post("/api/v1/images/upload", data=fields, files={"file": ("a.png", PNG)})
    assert error(answer) == (422, "UNPROCESSABLE")
    assert next(iter(fields.values())) not in answer.text


def test_two_studies_in_one_request_are_refused(client: httpx.Client) -> None:
    path = f"/api/v1/studies/{generate_uid()}/upload"
    answer = client.post(path, data={"study_instance_uid": generate_uid()}, files={"file": ("a.png", PNG)})
    assert error(answer)[0] == 400


def test_an_image_that_was_always_dicom_has_no_original(client: httpx.Client, server: Server) -> None:
    _, (image,) = upload(client, "uploads", {"ct.dcm": as_file(small_ct(generate_uid(), generate_uid()))})
    assert client.get(f"{image['url']}").json()["is_dicom"] is True
    assert error(client.get(f"{image['url']}/original")) == (404, "NOT_FOUND")
    _, (made,) = upload(client, "images/upload", {"a.png": PNG}, patient_id="P9")
    with server.web(organization="elsewhere") as other:
        assert other.get(f"/api/v1/images/{made['sop_instance_uid']}/original").status_code == 404
