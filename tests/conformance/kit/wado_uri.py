"""The URI service (PS3.18 §9)."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import urlencode

import httpx
from PIL import Image, ImageChops, ImageStat
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.conformance.kit.check import NO_SUCH_THING, Check, Peer, expect, supported
from tests.conformance.kit.samples import SIDE, Sample


def _ask(peer: Peer, one: Sample, **parameters: str) -> httpx.Response:
    given = {
        "requestType": "WADO",
        "studyUID": one.study,
        "seriesUID": one.series,
        "objectUID": one.sop,
        **parameters,
    }
    return peer.get(f"{peer.wado}?{urlencode(given)}", "*/*")


def dicom(peer: Peer) -> str:
    one = peer.samples.slices[0]
    answer = supported(_ask(peer, one, contentType="application/dicom"))
    seen = expect(answer, 200, "application/dicom")
    ds = dcmread(BytesIO(answer.content))
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian, ds.file_meta.TransferSyntaxUID.name
    assert ds.PixelData == one.ds.PixelData, "other pixels"
    return seen


def transfer_syntax(peer: Peer) -> str:
    one = peer.samples.ultrasound
    supported(_ask(peer, one, contentType="application/dicom"))
    answer = _ask(peer, one, contentType="application/dicom", transferSyntax=ExplicitVRLittleEndian)
    expect(supported(answer), 200, "application/dicom")
    ds = dcmread(BytesIO(answer.content), stop_before_pixels=True)
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian, ds.file_meta.TransferSyntaxUID.name
    return str(ds.file_meta.TransferSyntaxUID.name)


def jpeg(peer: Peer) -> str:
    """Without contentType a single-frame image comes as JPEG (§9.5.2)."""
    answer = supported(_ask(peer, peer.samples.slices[0]))
    seen = expect(answer, 200, "image/jpeg")
    Image.open(BytesIO(answer.content)).verify()
    return seen


def presentation(peer: Peer) -> str:
    wanted = {"contentType": "image/png", "rows": "16", "columns": "16", "windowCenter": "-3000"}
    answer = supported(_ask(peer, peer.samples.slices[0], windowWidth="100", **wanted))
    seen = expect(answer, 200, "image/png")
    image = Image.open(BytesIO(answer.content)).convert("L")
    assert max(image.size) <= 16, f"{image.size}, not 16"
    assert image.getextrema() == (255, 255), "the window has no effect"
    return seen


def frame_number(peer: Peer) -> str:
    greys = []
    for n in ("1", "5"):
        answer = supported(_ask(peer, peer.samples.ultrasound, contentType="image/jpeg", frameNumber=n))
        expect(answer, 200, "image/jpeg")
        greys.append(ImageStat.Stat(Image.open(BytesIO(answer.content)).convert("L")).mean[0])
    assert greys[0] < greys[1], f"greys {greys} of frames 1 and 5"
    return f"greys {greys}"


def region(peer: Peer) -> str:
    """The lower right quarter, in its own proportions."""
    wanted = {"contentType": "image/png", "region": "0.5,0.5,1,1"}
    answer = supported(_ask(peer, peer.samples.slices[0], **wanted), (400, *NO_SUCH_THING))
    expect(answer, 200, "image/png")
    whole = Image.open(BytesIO(_ask(peer, peer.samples.slices[0], contentType="image/png").content))
    quarter = Image.open(BytesIO(answer.content)).convert("L").resize((SIDE // 2, SIDE // 2))
    expected = whole.convert("L").crop((SIDE // 2, SIDE // 2, SIDE, SIDE))
    error = ImageStat.Stat(ImageChops.difference(quarter, expected)).mean[0]
    assert error < 8, f"differs by {error:.0f} greys from that part of the whole"
    return f"{Image.open(BytesIO(answer.content)).size}"


def image_quality(peer: Peer) -> str:
    sizes = []
    for quality in ("5", "95"):
        answer = supported(_ask(peer, peer.samples.slices[0], contentType="image/jpeg", imageQuality=quality))
        expect(answer, 200, "image/jpeg")
        sizes.append(len(answer.content))
    assert sizes[0] < sizes[1], f"{sizes} bytes"
    return f"{sizes[0]} and {sizes[1]} bytes"


def anonymized(peer: Peer) -> str:
    """De-identified or refused; never the patient's data to who wants them removed."""
    supported(_ask(peer, peer.samples.slices[0], contentType="application/dicom"))
    answer = _ask(peer, peer.samples.slices[0], contentType="application/dicom", anonymize="yes")
    if answer.status_code in (400, *NO_SUCH_THING):
        return f"refused: {answer.status_code}"
    seen = expect(answer, 200, "application/dicom")
    assert dcmread(BytesIO(answer.content)).get("PatientID") != peer.samples.patient, "the patient is named"
    return seen


def unknown(peer: Peer) -> str:
    supported(_ask(peer, peer.samples.slices[0]))
    return expect(_ask(peer, peer.samples.slices[0], objectUID=generate_uid()), (404, 410))


def malformed(peer: Peer) -> str:
    supported(_ask(peer, peer.samples.slices[0]))
    return expect(peer.get(f"{peer.wado}?requestType=WADO", "*/*"), 400)


CHECKS = (
    Check("9.4", "an instance as application/dicom", dicom),
    Check("9.4.1.2.2", "transferSyntax", transfer_syntax),
    Check("9.5", "an image as JPEG by default", jpeg),
    Check("9.5.1.2", "rows, columns and window", presentation),
    Check("9.5.1.2.1", "frameNumber", frame_number),
    Check("9.5.1.2", "region", region),
    Check("9.5.1.2", "imageQuality", image_quality),
    Check("9.4.1.2.1", "anonymize is done or refused", anonymized),
    Check("9.4.3", "404 for what is not there", unknown),
    Check("9.1.2.1", "400 when parameters are missing", malformed),
)
