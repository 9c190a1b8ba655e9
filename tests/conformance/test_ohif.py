"""What OHIF asks from its study list to the last thumbnail, replayed with its own headers.

The requests are those of OHIF 3.12 with dicomweb-client.js and cornerstone behind it: see
`DicomWebDataSource` and `wadors` there. Nothing here is asked as a careful client would.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

from tests.conformance.kit.multipart import parts
from tests.conformance.kit.samples import FRAMES, PDF, Sample, Samples
from tests.conformance.server import Server
from tests.corpus import SHARED_DATA, needs_corpus

ROOT = "/dicom-web"
LIST = "limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060"
READ_OF_STUDY = (
    "0020000D 00080020 00080030 00080050 00100020 00100010 00100030 00201208 00081030 00080061 00080090"
)
READ_OF_SERIES = "0020000E 00080060 00200011 00080021 00201209 0008103E"
READ_OF_INSTANCE = "00080016 00080018 0020000D 0020000E 00280010 00280011 00280004 00280100 00280103 7FE00010"
FRAME_ACCEPTS = (
    "multipart/related; type=application/octet-stream; transfer-syntax=*",
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    "multipart/related;type=application/octet-stream;transfer-syntax=*",
    'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50, '
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    "multipart/related; type=application/octet-stream; transfer-syntax=*, */*;q=0.1",
)
"""With `omitQuotationForMultipartRequest`, without, as proxies shorten it, and of older versions."""
UPLOAD = "dicomweb-client-boundary"


class Browser:
    """One tab: what Chromium adds to each request, and the token from the configuration."""

    def __init__(self, server: Server) -> None:
        self._web = server.web()
        self._web.headers.update(
            {
                "Origin": server.url,
                "Referer": f"{server.url}/viewer",
                "Accept-Language": "en-GB,en;q=0.9",
                "Accept-Encoding": "gzip, deflate",
                "Cache-Control": "no-cache",
                "Sec-Fetch-Mode": "cors",
            }
        )

    def get(self, path: str, accept: str = "*/*", **headers: str) -> httpx.Response:
        url = path if path.startswith("http") else ROOT + path
        answer = self._web.get(url, headers={"Accept": accept, **headers})
        assert answer.status_code in (200, 206), f"{answer.status_code} for {path}: {answer.text[:200]}"
        return answer

    def json(self, path: str) -> list[dict[str, Any]]:
        answer = self.get(path, "application/dicom+json")
        assert answer.headers["content-type"].startswith("application/dicom+json")
        found: list[dict[str, Any]] = answer.json()
        return found

    def upload(self, *files: bytes) -> httpx.Response:
        """As `storeInstances` frames it: a line break before the first delimiter, none after the last."""
        head = f"\r\n--{UPLOAD}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(head + file for file in files) + f"\r\n--{UPLOAD}--".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={UPLOAD}'
        return self._web.post(
            f"{ROOT}/studies", content=body, headers={"Content-Type": kind, "Accept": "*/*"}
        )

    def close(self) -> None:
        self._web.close()


@pytest.fixture(scope="module")
def ohif(server: Server) -> Iterator[Browser]:
    browser = Browser(server)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def uploaded(ohif: Browser) -> Samples:
    """Dropped on the upload page, each file in a request of its own."""
    samples = Samples()
    for each in samples.all:
        answer = ohif.upload(each.data)
        assert answer.status_code == 200, answer.text
        assert answer.json()["00081199"]["Value"][0]["00081155"]["Value"] == [each.sop]
    return samples


def value(found: dict[str, Any], tag: str) -> Any:
    return found[tag]["Value"][0]


def bulk_uri(ohif: Browser, path: str, tag: str) -> str:
    (found,) = ohif.json(f"{path}/metadata")
    return str(found[tag]["BulkDataURI"])


def test_the_study_list(ohif: Browser, uploaded: Samples) -> None:
    """Unfiltered, filtered on every column, and empty."""
    uids = [value(each, "0020000D") for each in ohif.json(f"/studies?{LIST}")]
    assert {each.study for each in uploaded.all} <= set(uids)
    filters = (
        f"PatientName=*kitmann*&00100020=*{uploaded.number}*&AccessionNumber=*{uploaded.number}*"
        "&StudyDescription=*first*&ModalitiesInStudy=CT&StudyDate=20250101-20251231"
    )
    (found,) = ohif.json(f"/studies?{filters}&{LIST}%2C00080090%2C00100030")
    assert [tag for tag in READ_OF_STUDY.split() if tag not in found] == []
    assert ohif.json(f"/studies?PatientName=*nobody-{uploaded.number}*&{LIST}") == []


def test_opening_a_study(ohif: Browser, uploaded: Samples) -> None:
    """The study itself, the patient's other studies, the series, the metadata of each."""
    study = uploaded.slices[0].study
    assert len(ohif.json(f"/studies?{LIST}&StudyInstanceUID={study}")) == 1
    both = f"{study}%5C{uploaded.pdf.study}"
    assert len(ohif.json(f"/studies?{LIST}&StudyInstanceUID={both}")) == 2
    assert len(ohif.json(f"/studies?{LIST}&00100020={uploaded.patient}")) == 2
    series = ohif.json(f"/studies/{study}/series?includefield=0008103E%2C00080021")
    assert sorted(value(each, "00080060") for each in series) == ["CT", "US"]
    for each in series:
        expected = READ_OF_SERIES.split()
        assert [tag for tag in expected if tag not in each and tag != "00080021"] == []
        metadata = ohif.json(f"/studies/{study}/series/{value(each, '0020000E')}/metadata")
        assert len(metadata) == value(each, "00201209")
        for instance in metadata:
            assert [tag for tag in READ_OF_INSTANCE.split() if tag not in instance] == []


@pytest.mark.parametrize("accept", FRAME_ACCEPTS)
def test_frames(ohif: Browser, uploaded: Samples, accept: str) -> None:
    for number, jpeg in enumerate(uploaded.jpegs, 1):
        answer = ohif.get(f"{uploaded.ultrasound.path}/frames/{number}", accept)
        (part,) = parts(answer)
        assert part.body.rstrip(b"\0") == jpeg.rstrip(b"\0")
        labelled = (part.media_type, part.transfer_syntax)
        octets = ("application/octet-stream", "1.2.840.10008.1.2.4.50")
        assert labelled in (octets, ("image/jpeg", ""), ("image/jpeg", octets[1]))


def test_native_frames(ohif: Browser, uploaded: Samples) -> None:
    for each in uploaded.slices:
        (part,) = parts(ohif.get(f"{each.path}/frames/1", FRAME_ACCEPTS[0]))
        assert (part.body, part.transfer_syntax) == (each.ds.PixelData, "1.2.840.10008.1.2.1")


def test_a_report_opens_in_a_frame(ohif: Browser, uploaded: Samples) -> None:
    uri = bulk_uri(ohif, uploaded.pdf.path, "00420011")
    page = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    answer = ohif.get(f"{uri}?accept=application/pdf", page)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(PDF)


def test_bulk_data_of_other_kinds(ohif: Browser, uploaded: Samples) -> None:
    """Segmentations, waveforms: `retrieveBulkData` asks for parts."""
    (found,) = ohif.json(f"{uploaded.ecg.path}/metadata")
    uri = found["54000100"]["Value"][0]["54001010"]["BulkDataURI"]
    for accept in (
        'multipart/related; type="application/octet-stream"',
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
    ):
        (part,) = parts(ohif.get(uri, accept))
        assert part.body == uploaded.waveform


def test_a_derived_object_whole(ohif: Browser, uploaded: Samples) -> None:
    (part,) = parts(ohif.get(uploaded.slices[0].path, 'multipart/related; type="application/dicom"'))
    assert dcmread(BytesIO(part.body)).SOPInstanceUID == uploaded.slices[0].sop


@pytest.mark.parametrize("resource", ["thumbnail", "rendered", "frames/1/rendered", "frames/1/thumbnail"])
def test_thumbnails(ohif: Browser, uploaded: Samples, resource: str) -> None:
    """An `<img>` names JPEG in the query and all it knows in the header."""
    img = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
    for one in (uploaded.slices[0], uploaded.ultrasound):
        answer = ohif.get(f"{one.path}/{resource}?accept=image/jpeg", img)
        assert answer.headers["content-type"] == "image/jpeg"
        Image.open(BytesIO(answer.content)).verify()


def test_a_multiframe_is_one_instance_of_many_frames(ohif: Browser, uploaded: Samples) -> None:
    (found,) = ohif.json(f"{uploaded.ultrasound.path}/metadata")
    assert value(found, "00280008") == FRAMES


def _real(ohif: Browser, name: str) -> Sample:
    path = next(SHARED_DATA.rglob(name))
    answer = ohif.upload(path.read_bytes())
    assert answer.status_code in (200, 202), answer.text
    return Sample(dcmread(path), path.read_bytes())


@needs_corpus
def test_a_video_plays(ohif: Browser) -> None:
    """`<video>` asks for all, then from where it was dragged to."""
    one = _real(ohif, "dv_video_h264.dcm")
    (stream,) = generate_frames(one.ds.PixelData, number_of_frames=1)
    uri = f"{bulk_uri(ohif, one.path, '7FE00010')}?accept=video/mp4"
    whole = ohif.get(uri, "*/*", Range="bytes=0-", **{"Accept-Encoding": "identity;q=1, *;q=0"})
    assert (whole.status_code, whole.headers["content-type"]) == (206, "video/mp4")
    assert whole.content.rstrip(b"\0") == stream.rstrip(b"\0")
    later = ohif.get(uri, "*/*", Range="bytes=1000-")
    assert later.content == whole.content[1000:]


@needs_corpus
def test_a_real_report_opens(ohif: Browser) -> None:
    one = _real(ohif, "sample-pdf.dcm")
    answer = ohif.get(f"{bulk_uri(ohif, one.path, '00420011')}?accept=application/pdf", "*/*")
    assert answer.content.rstrip(b"\0") == one.ds.EncapsulatedDocument.rstrip(b"\0")


COMPRESSED = ("JPEG2000.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm")


@needs_corpus
@pytest.mark.parametrize("name", COMPRESSED)
def test_real_frames_come_as_stored(ohif: Browser, name: str) -> None:
    if next(SHARED_DATA.rglob(name), None) is None:
        pytest.skip(f"{name} is not in the corpus")
    one = _real(ohif, name)
    expected = next(generate_frames(one.ds.PixelData, number_of_frames=int(one.ds.get("NumberOfFrames", 1))))
    (part,) = parts(ohif.get(f"{one.path}/frames/1", FRAME_ACCEPTS[0]))
    assert part.body.rstrip(b"\0") == expected.rstrip(b"\0")
    assert part.transfer_syntax == str(one.ds.file_meta.TransferSyntaxUID)
