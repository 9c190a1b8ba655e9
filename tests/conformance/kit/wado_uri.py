"""The URI service (PS3.18 §9)."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import urlencode

import httpx
from PIL import Image, ImageStat
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.conformance.kit.check import Check, Peer, expect, supported
from tests.conformance.kit.samples import Sample


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
    Check("9.4.3", "404 for what is not there", unknown),
    Check("9.1.2.1", "400 when parameters are missing", malformed),
)
