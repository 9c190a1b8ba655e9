"""Metadata and bulk data of a started server, asked for with dicomweb-client and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from requests import Session

from tests.conformance.raw import send, sendable
from tests.conformance.server import Server
from tests.corpus import SHARED_DATA, needs_corpus
from tests.dicomweb.retrieving import uris

pytestmark = needs_corpus

CT = sorted((SHARED_DATA / "ct").glob("*.dcm")) if SHARED_DATA.is_dir() else []


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


@pytest.fixture(scope="module")
def client(server: Server) -> DICOMwebClient:
    session = Session()
    session.headers["Authorization"] = f"Bearer {server.token()}"
    return DICOMwebClient(f"{server.url}/dicom-web", session=session)


def sent(server: Server, name: str) -> tuple[Dataset, str]:
    """One file of the corpus, and the path of its instance once it is stored."""
    path = next(SHARED_DATA.rglob(name))
    file = sendable(path)
    assert file is not None and send(server.dimse_port, file) == 0x0000
    ds = dcmread(path)
    return ds, instance_path(ds)


def instance_path(ds: Dataset) -> str:
    return f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def as_sent(expected: dict[str, Any], ds: Dataset) -> dict[str, Any]:
    """pydicom's model with decimal strings as strings."""
    for element in ds:
        attribute = expected[f"{element.tag:08X}"]
        if element.VR == "DS" and "Value" in attribute:
            values = element.value if element.VM > 1 else [element.value]
            attribute["Value"] = [each.original_string.strip() for each in values]
        elif element.VR == "SQ":
            for item, inner in zip(element.value, attribute.get("Value", []), strict=True):
                as_sent(inner, item)
    return expected


def test_dicomweb_client_reads_every_level(server: Server, client: DICOMwebClient) -> None:
    ds, _ = sent(server, "CT_small.dcm")
    study, series, sop = ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID
    of_instance = client.retrieve_instance_metadata(study, series, sop)
    assert client.retrieve_study_metadata(study) == client.retrieve_series_metadata(study, series)
    assert of_instance in client.retrieve_study_metadata(study)
    expected = as_sent(ds.to_json_dict(bulk_data_threshold=1 << 20), ds)
    expected["00080005"]["Value"] = ["ISO_IR 192"]
    named = [tag for tag, attribute in of_instance.items() if "BulkDataURI" in attribute]
    assert named == ["00431029", "7FE00010"]  # a private value of some KiB, and the pixels
    for tag in named:
        del of_instance[tag], expected[tag]
    assert of_instance == expected


def test_dicomweb_client_follows_what_metadata_names(server: Server, client: DICOMwebClient) -> None:
    ds, _ = sent(server, "waveform_ecg.dcm")
    uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    found = list(uris(client.retrieve_instance_metadata(*uids)))
    waveforms = [item.WaveformData for item in ds.WaveformSequence]
    assert [client.retrieve_bulkdata(uri, media_types=("application/octet-stream",)) for uri in found] == [
        [waveform] for waveform in waveforms
    ]


def test_a_document_as_ohif_opens_it(server: Server, web: httpx.Client) -> None:
    ds, path = sent(server, "sample-pdf.dcm")
    (uri,) = uris(web.get(f"/dicom-web{path}/metadata").json())
    assert uri.startswith(server.url)
    answer = web.get(uri, params={"accept": "application/pdf"})
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF") and ds.EncapsulatedDocument.startswith(answer.content)


@pytest.mark.parametrize(
    ("name", "kind"), [("dv_video_h264.dcm", "video/mp4"), ("dv_video_mpeg2.dcm", "video/mpeg")]
)
def test_video_is_sought(server: Server, web: httpx.Client, name: str, kind: str) -> None:
    _, path = sent(server, name)
    (uri,) = uris(web.get(f"/dicom-web{path}/metadata").json())
    whole = web.get(uri)
    assert whole.headers["content-type"] == kind and whole.headers["accept-ranges"] == "bytes"
    half = len(whole.content) // 2
    joined = b""
    for asked in (f"bytes=0-{half - 1}", f"bytes={half}-"):
        part = web.get(uri, headers={"Range": asked, "If-Range": whole.headers["etag"]})
        assert part.status_code == 206
        joined += part.content
    assert joined == whole.content


def test_addresses_are_those_that_the_caller_sees(server: Server, web: httpx.Client) -> None:
    _, path = sent(server, "CT_small.dcm")
    *_, uri = uris(web.get(f"/dicom-web{path}/metadata", headers={"Host": "pacs.example"}).json())
    assert uri == f"http://pacs.example/dicom-web{path}/bulkdata/7FE00010"


def test_what_a_viewer_asks_after_its_study_came(server: Server, web: httpx.Client) -> None:
    """304 as long as nothing came; never the old list when something did; also after a restart."""
    files = [path for path in sorted((SHARED_DATA / "ct" / "ct-3slice").iterdir()) if sendable(path)]
    first, *others = [file for path in files if (file := sendable(path))]
    assert send(server.dimse_port, first) == 0x0000
    study = dcmread(first.path).StudyInstanceUID
    path = f"/dicom-web/studies/{study}/metadata"
    known = web.get(path)
    again = web.get(path, headers={"If-None-Match": known.headers["etag"]})
    assert (known.status_code, again.status_code, again.content) == (200, 304, b"")
    for count, file in enumerate(others, 2):
        assert send(server.dimse_port, file) == 0x0000
        now = web.get(path, headers={"If-None-Match": known.headers["etag"]})
        assert (now.status_code, len(now.json())) == (200, count)
    server.stop()
    server.start()
    assert web.get(path, headers={"If-None-Match": now.headers["etag"]}).status_code == 304
    assert web.get(path).content == now.content


def test_nobody_without_a_token(server: Server) -> None:
    _, path = sent(server, "CT_small.dcm")
    for resource in ("metadata", "bulkdata/7FE00010"):
        assert httpx.get(f"{server.url}/dicom-web{path}/{resource}").status_code == 401
