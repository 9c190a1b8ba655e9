"""Acceptable and selected media types (PS3.18 §8.7)."""

from __future__ import annotations

import json

from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from tests.conformance.kit.check import Check, Peer, expect, supported
from tests.conformance.kit.multipart import parts

_ONE_PART = (
    "*/*",
    'multipart/related; type="application/dicom"',
    "multipart/related; type=application/dicom",
    "multipart/related;type=application/dicom",
    'multipart/related ; type="application/dicom" ; transfer-syntax=*',
    "multipart/related; type=application/dicom; transfer-syntax=*",
    "text/html;q=0.9, multipart/related; type=application/dicom;q=0.1",
    "application/x-unheard-of, */*;q=0.01",
)


def anything_when_nothing_is_said(peer: Peer) -> str:
    return expect(peer.get(peer.samples.slices[0].path), 200)


def every_spelling(peer: Peer) -> str:
    for accept in _ONE_PART:
        answer = peer.get(peer.samples.slices[0].path, accept)
        assert answer.status_code == 200, f"{answer.status_code} for {accept}"
        assert len(parts(answer)) == 1, f"not one part for {accept}"
    return f"{len(_ONE_PART)} spellings, quoted and not"


def default_syntax(peer: Peer) -> str:
    """Explicit VR Little Endian unless another is named; a lossy object may go as it is stored."""
    answer = peer.get(peer.samples.slices[0].path, 'multipart/related; type="application/dicom"')
    (part,) = parts(answer)
    syntax = dcmread(DicomBytesIO(part.body), stop_before_pixels=True).file_meta.TransferSyntaxUID
    assert syntax == ExplicitVRLittleEndian, f"{syntax.name} though none was named"
    return str(syntax.name)


def as_stored(peer: Peer) -> str:
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    (part,) = parts(peer.get(peer.samples.ultrasound.path, accept))
    syntax = dcmread(DicomBytesIO(part.body), stop_before_pixels=True).file_meta.TransferSyntaxUID
    assert syntax == JPEGBaseline8Bit, f"{syntax.name}, not as stored"
    return str(syntax.name)


def named_syntax(peer: Peer) -> str:
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={ExplicitVRLittleEndian}'
    (part,) = parts(supported(peer.get(peer.samples.ultrasound.path, accept)))
    ds = dcmread(DicomBytesIO(part.body))
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian, "another syntax than named"
    size = ds.Rows * ds.Columns * int(ds.NumberOfFrames)
    assert len(ds.PixelData) == size, f"{len(ds.PixelData)} bytes of pixels, not {size}"
    return "JPEG decompressed"


def weights(peer: Peer) -> str:
    path = f"{peer.samples.slices[0].study_path}/metadata"
    accept = 'application/dicom+json;q=0.2, multipart/related; type="application/dicom+xml";q=0.8'
    answer = supported(peer.get(path, accept))
    return expect(answer, 200, "multipart/related")


def refused(peer: Peer) -> str:
    return expect(peer.get(peer.samples.slices[0].path, "text/x-unheard-of"), 406)


def in_the_query(peer: Peer) -> str:
    path = f"{peer.samples.slices[0].study_path}/metadata?accept=application/dicom%2Bjson"
    answer = peer.get(path, "image/x-unheard-of")
    if answer.status_code == 406:  # the parameter is for services that say so (§8.7.6)
        supported(answer)
    return expect(answer, 200, ("application/dicom+json", "application/json"))


def several_headers(peer: Peer) -> str:
    request = peer.web.build_request("GET", f"{peer.samples.slices[0].study_path}/metadata")
    del request.headers["accept"]
    raw = [*request.headers.raw, (b"Accept", b"text/x-unheard-of"), (b"Accept", b"application/dicom+json")]
    request.headers = type(request.headers)(raw)
    answer = peer.web.send(request)
    seen = expect(answer, 200)
    json.loads(answer.content)
    return seen


CHECKS = (
    Check("8.7.5", "no Accept header means anything", anything_when_nothing_is_said),
    Check("8.7.1", "multipart types quoted or not, spaced or not", every_spelling),
    Check("8.7.3.5.2", "Explicit VR Little Endian when no transfer syntax is named", default_syntax),
    Check("8.7.3.5.2", "transfer-syntax=* sends as stored", as_stored),
    Check("8.7.3.5.2", "a named transfer syntax is made", named_syntax),
    Check("8.7.8", "the greater weight wins", weights),
    Check("8.7.8", "406 for what cannot be made", refused),
    Check("8.7.6", "the accept query parameter", in_the_query),
    Check("8.7.7", "several Accept header fields are one list", several_headers),
)
