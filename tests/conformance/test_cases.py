"""Regression cases of other archives that no other test has; README.md here says where the rest are."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.conformance.raw import send, sendable
from tests.conformance.senders import find, small_ct
from tests.conformance.server import Server
from tests.corpus import SHARED_DATA, needs_corpus

ROOT = "/dicom-web"
CHARSETS = sorted((SHARED_DATA / "charsets").glob("chr*.dcm")) if SHARED_DATA.is_dir() else []
AMBIGUOUS = {"chrGB2312"}
"""pydicom leaves this one's escape sequences in, and so cannot say what is right."""


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


def store(web: httpx.Client, ds: Dataset) -> str:
    """The path of the instance."""
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    kind = {"Content-Type": "application/dicom"}
    answer = web.post(f"{ROOT}/studies", content=file.getvalue(), headers=kind)
    assert answer.status_code in (200, 202), answer.text
    return f"{ROOT}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def ct(study: str | None = None, **attributes: Any) -> Dataset:
    ds = small_ct(study or generate_uid(), generate_uid(), "CASES", side=4)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def found(web: httpx.Client, path: str, **parameters: str | int) -> list[dict[str, Any]]:
    answer = web.get(f"{ROOT}/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    answers: list[dict[str, Any]] = answer.json()
    return answers


@needs_corpus
@pytest.mark.parametrize("path", CHARSETS, ids=[path.stem for path in CHARSETS])
def test_a_name_is_the_same_in_c_find_metadata_and_the_list_of_studies(
    server: Server, web: httpx.Client, path: Any
) -> None:
    """Case A12; QIDO-RS of the same files is in test_qido.py."""
    ds, file = dcmread(path), sendable(path)
    if file is None or "StudyInstanceUID" not in ds or path.stem in AMBIGUOUS:
        pytest.skip("it has no place in the archive, or nobody who says what it means")
    assert send(server.dimse_port, file) == 0x0000
    uid = str(ds.StudyInstanceUID)
    ask = Dataset()
    ask.SpecificCharacterSet, ask.QueryRetrieveLevel = "ISO_IR 192", "STUDY"
    ask.StudyInstanceUID, ask.PatientName = uid, ""
    (answer,) = find(server.dimse_port, ask)
    assert str(answer.PatientName).rstrip("=") == str(ds.PatientName).rstrip("=")
    groups = web.get(f"{ROOT}/studies/{uid}/metadata").json()[0]["00100010"]["Value"][0]
    assert [groups.get(g, "") for g in ("Alphabetic", "Ideographic", "Phonetic")] == [
        ds.PatientName.alphabetic,
        ds.PatientName.ideographic,
        ds.PatientName.phonetic,
    ]
    words = next(filter(None, groups.values())).replace("^", " ").split()
    listed = web.get("/api/v1/studies", params={"patient_name": words[0], "limit": 100}).json()["items"]
    assert uid in [each["study_instance_uid"] for each in listed]


def test_values_of_every_kind_in_json(web: httpx.Client) -> None:
    """Case A14, in what QIDO-RS finds and in metadata: nothing empty has a Value, numbers are numbers,
    but for decimal strings, which keep every digit."""
    ds = ct(PatientName="Jérôme^Ève", StudyDescription="", AccessionNumber=None, InstanceNumber=7)
    ds.SpecificCharacterSet, ds.file_meta.TransferSyntaxUID = "ISO_IR 100", ExplicitVRLittleEndian
    ds.FrameIncrementPointer = [Tag(0x00181063), Tag(0x00181065)]
    ds.RequestAttributesSequence = [Dataset()]
    ds.SliceThickness = "1.50"
    ds.add_new(0x00081140, "SQ", [])
    block = ds.private_block(0x0009, "CASES", create=True)
    block.add_new(1, "SV", -5)
    block.add_new(2, "UV", (1 << 64) - 1)
    block.add_new(3, "OV", bytes(8))
    path = store(web, ds).removeprefix(f"{ROOT}/")
    metadata = web.get(f"{ROOT}/{path}/metadata").json()[0]
    wanted = "00080050,00081030,00180050,00200013,00400275"
    (searched,) = found(web, "instances", SOPInstanceUID=ds.SOPInstanceUID, includefield=wanted)
    for answer in (metadata, searched):
        assert answer["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
        assert answer["00100010"]["Value"] == [{"Alphabetic": "Jérôme^Ève"}]
        assert answer["00080050"] == {"vr": "SH"}
        assert answer["00200013"] == {"vr": "IS", "Value": [7]}
        assert answer["00180050"] == {"vr": "DS", "Value": ["1.50"]}
        assert answer["00280010"] == {"vr": "US", "Value": [4]}
    assert metadata["00280009"] == {"vr": "AT", "Value": ["00181063", "00181065"]}
    assert metadata["00400275"] == {"vr": "SQ", "Value": [{}]}
    assert metadata["00081140"] == {"vr": "SQ"}
    assert metadata["00091001"]["Value"] == [-5]
    assert metadata["00091002"]["Value"] in ([(1 << 64) - 1], [str((1 << 64) - 1)])
    assert "Value" not in metadata["00091003"]


def test_pages_of_studies_of_one_modality(web: httpx.Client) -> None:
    """Case A15: what is asked of series neither shortens nor repeats pages; counts are whole."""
    studies = []
    for number in range(5):
        uid = generate_uid()
        for modality in ("PT", "CT") if number % 2 else ("CT",):
            store(web, ct(uid, Modality=modality, PatientID="PAGED"))
        studies.append(uid)
    odd = studies[1::2]
    asked: dict[str, str | int] = {"PatientID": "PAGED", "ModalitiesInStudy": "PT", "limit": 1}
    pages = [found(web, "studies", offset=offset, **asked) for offset in range(3)]
    assert [len(page) for page in pages] == [1, 1, 0]
    assert {page[0]["0020000D"]["Value"][0] for page in pages[:2]} == set(odd)
    for (study,) in pages[:2]:
        assert sorted(study["00080061"]["Value"]) == ["CT", "PT"]
        assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([2], [2])


def test_a_birth_date_is_nobodys_to_shift(web: httpx.Client) -> None:
    """Case A17: neither the object's time zone nor the request's moves a day."""
    ds = ct(PatientBirthDate="19700101", PatientID="BORN", TimezoneOffsetFromUTC="+1400")
    path = store(web, ds)
    assert web.get(f"{path}/metadata").json()[0]["00100030"]["Value"] == ["19700101"]
    for zone in ("+1400", "-1200", "+0000"):
        asked = {"PatientID": "BORN", "PatientBirthDate": "19700101", "TimezoneOffsetFromUTC": zone}
        (study,) = found(web, "studies", **asked)
        assert study["00100030"]["Value"] == ["19700101"]


@needs_corpus
@pytest.mark.parametrize(
    ("name", "kind"), [("dv_video_h264.dcm", "video/mp4"), ("dv_report_pdf.dcm", "application/pdf")]
)
@pytest.mark.parametrize("named", [False, True])
def test_what_is_no_image_is_shown_as_what_it_is(
    web: httpx.Client, name: str, kind: str, named: bool
) -> None:
    """Case A25."""
    ds = dcmread(next(SHARED_DATA.rglob(name)))
    path = store(web, ds)
    answer = web.get(f"{path}/rendered", headers={"Accept": kind if named else "*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    content = ds.EncapsulatedDocument if "EncapsulatedDocument" in ds else next(generate_frames(ds.PixelData))
    assert answer.content.rstrip(b"\0") == content.rstrip(b"\0")


def test_metadata_and_pictures_follow_what_is_deleted_and_sent_again(web: httpx.Client) -> None:
    """Case A28: never what was there before; 304 only for what is there now."""
    study = generate_uid()
    first, second = ct(study), ct(study)
    for ds in (first, second):
        store(web, ds)
    metadata, thumbnail = f"{ROOT}/studies/{study}/metadata", f"{ROOT}/studies/{study}/thumbnail"
    both = web.get(metadata)
    assert len(both.json()) == 2 and web.get(thumbnail).status_code == 200
    gone = web.request("DELETE", f"/api/v1/images/{second.SOPInstanceUID}", json={"reason": "test"})
    assert gone.status_code in (200, 202, 204), gone.text
    one = web.get(metadata, headers={"If-None-Match": both.headers["etag"]})
    assert (one.status_code, len(one.json())) == (200, 1)
    assert web.get(metadata, headers={"If-None-Match": one.headers["etag"]}).status_code == 304
    store(web, second)
    again = web.get(metadata, headers={"If-None-Match": one.headers["etag"]})
    assert (again.status_code, len(again.json())) == (200, 2)
    whole = web.request("DELETE", f"/api/v1/studies/{study}", json={"reason": "test"})
    assert whole.status_code in (200, 202, 204), whole.text
    for path in (metadata, thumbnail, f"{ROOT}/studies/{study}/rendered"):
        assert web.get(path, headers={"If-None-Match": again.headers["etag"]}).status_code == 404, path
