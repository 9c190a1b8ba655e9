"""dicomweb-client from PyPI, all of it, on a started server."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit
from requests import Session

from tests.conformance.kit.samples import FRAMES, PDF, SIDE, Sample, Samples
from tests.conformance.server import Server


def uids(one: Sample) -> tuple[str, str, str]:
    return one.study, one.series, one.sop


def value(found: dict[str, Any], tag: str) -> Any:
    return found[tag]["Value"][0]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[DICOMwebClient]:
    with Session() as session:
        session.headers["Authorization"] = f"Bearer {server.token()}"
        yield DICOMwebClient(f"{server.url}/dicom-web", session=session)


@pytest.fixture(scope="module")
def stored(client: DICOMwebClient) -> Samples:
    samples = Samples()
    report = client.store_instances([dcmread(BytesIO(each.data)) for each in samples.all])
    named = [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence]
    assert sorted(named) == sorted(each.sop for each in samples.all)
    assert "FailedSOPSequence" not in report
    return samples


def test_store_into_a_study(client: DICOMwebClient, stored: Samples) -> None:
    one = stored.stray()
    report = client.store_instances([dcmread(BytesIO(one.data))], one.study)
    assert report.RetrieveURL.endswith(one.study_path)


def test_search(client: DICOMwebClient, stored: Samples) -> None:
    one, of_patient = stored.slices[0], {"PatientID": stored.patient}
    found = client.search_for_studies(search_filters=of_patient, fields=["StudyDescription"])
    assert {value(each, "0020000D") for each in found} == {one.study, stored.pdf.study}
    assert all("00081030" in each for each in found)
    assert len(client.search_for_studies(search_filters=of_patient, limit=1, offset=1)) == 1
    both = client.search_for_studies(search_filters=of_patient, limit=1, get_remaining=True)
    assert len(both) == 2
    fuzzy = client.search_for_studies(
        search_filters={**of_patient, "PatientName": "argerlich"}, fuzzymatching=True
    )
    assert len(fuzzy) == 2
    assert len(client.search_for_series(one.study)) == 2
    assert len(client.search_for_series(search_filters=of_patient)) == 4
    assert len(client.search_for_instances(one.study)) == 4
    assert len(client.search_for_instances(one.study, one.series)) == 3
    assert client.search_for_studies(search_filters={"PatientID": f"{stored.patient}-NOBODY"}) == []


def _same(came: Dataset, sent: Dataset) -> bool:
    return all(came.get(element.tag) == element for element in sent)


def test_retrieve_data_sets(client: DICOMwebClient, stored: Samples) -> None:
    study, series, sop = uids(stored.slices[1])
    as_stored = (("application/dicom", "*"),)
    assert _same(client.retrieve_instance(study, series, sop), stored.slices[1].ds)
    assert len(client.retrieve_series(study, series)) == 3
    assert len(client.retrieve_study(study, media_types=as_stored)) == 4
    assert sum(1 for _ in client.iter_study(study)) == 4
    assert sum(1 for _ in client.iter_series(study, series)) == 3
    ultrasound = client.retrieve_instance(*uids(stored.ultrasound), media_types=as_stored)
    assert ultrasound.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert _same(ultrasound, stored.ultrasound.ds)
    decoded = client.retrieve_instance(
        *uids(stored.ultrasound), media_types=(("application/dicom", ExplicitVRLittleEndian),)
    )
    assert len(decoded.PixelData) == FRAMES * SIDE * SIDE


def test_retrieve_metadata(client: DICOMwebClient, stored: Samples) -> None:
    study, series, sop = uids(stored.slices[0])
    of_instance = client.retrieve_instance_metadata(study, series, sop)
    assert of_instance in client.retrieve_series_metadata(study, series)
    assert len(client.retrieve_series_metadata(study, series)) == 3
    assert len(client.retrieve_study_metadata(study)) == 4
    header = Dataset.from_json(of_instance, bulk_data_uri_handler=lambda *_: b"")
    assert header.PatientName == stored.slices[0].ds.PatientName


@pytest.mark.parametrize(
    "media_types",
    [
        None,
        ("application/octet-stream",),
        (("application/octet-stream", "*"),),
        (("image/jpeg", JPEGBaseline8Bit),),
        ("image/jpeg",),
    ],
)
def test_retrieve_frames(
    client: DICOMwebClient, stored: Samples, media_types: tuple[Any, ...] | None
) -> None:
    asked = [5, 1, 1]
    frames = client.retrieve_instance_frames(*uids(stored.ultrasound), asked, media_types)
    assert len(frames) == len(asked) and frames[1] == frames[2] != frames[0]
    if media_types is None or media_types == ("application/octet-stream",):
        assert [len(frame) for frame in frames] == [SIDE * SIDE] * 3  # decoded
    else:
        expected = [stored.jpegs[number - 1].rstrip(b"\0") for number in asked]
        assert [frame.rstrip(b"\0") for frame in frames] == expected
    again = list(client.iter_instance_frames(*uids(stored.ultrasound), asked, media_types))
    assert again == frames


@pytest.mark.parametrize(("media_type", "form"), [("image/jpeg", "JPEG"), ("image/png", "PNG")])
def test_retrieve_rendered(client: DICOMwebClient, stored: Samples, media_type: str, form: str) -> None:
    types = (media_type,)
    one = client.retrieve_instance_rendered(*uids(stored.slices[0]), media_types=types)
    assert Image.open(BytesIO(one)).format == form
    small = client.retrieve_instance_rendered(
        *uids(stored.slices[0]), media_types=types, params={"viewport": "16,16", "window": "40,400,linear"}
    )
    assert max(Image.open(BytesIO(small)).size) == 16
    frame = client.retrieve_instance_frames_rendered(*uids(stored.ultrasound), [3], media_types=types)
    assert Image.open(BytesIO(frame)).size == (SIDE, SIDE)


def test_retrieve_bulk_data(client: DICOMwebClient, stored: Samples) -> None:
    metadata = client.retrieve_instance_metadata(*uids(stored.slices[0]))
    (pixels,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert pixels == stored.slices[0].ds.PixelData
    (part,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"], byte_range=(10, 19))
    assert part in (pixels[10:20], pixels)
    metadata = client.retrieve_instance_metadata(*uids(stored.pdf))
    (document,) = client.retrieve_bulkdata(
        metadata["00420011"]["BulkDataURI"], media_types=("application/octet-stream",)
    )
    assert document.startswith(PDF)
    metadata = client.retrieve_instance_metadata(*uids(stored.ecg))
    (waveform,) = client.iter_bulkdata(metadata["54000100"]["Value"][0]["54001010"]["BulkDataURI"])
    assert waveform == stored.waveform
