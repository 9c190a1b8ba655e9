"""Retrieve of studies, series, instances and frames (PS3.18 §10.4.1.1.1, §10.4.1.1.6, §10.4.3)."""

from __future__ import annotations

import zipfile
from io import BytesIO

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from tests.conformance.kit.check import Check, NotSupported, Peer, expect, media_type, supported
from tests.conformance.kit.multipart import parts

_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


def study(peer: Peer) -> str:
    first = peer.samples.slices[0]
    sent = {each.sop for each in peer.samples.all if each.study == first.study}
    return _instances(peer, first.study_path, sent)


def series(peer: Peer) -> str:
    return _instances(peer, peer.samples.slices[0].series_path, {each.sop for each in peer.samples.slices})


def _instances(peer: Peer, path: str, expected: set[str]) -> str:
    found = parts(peer.get(path, _AS_STORED))
    assert {each.media_type for each in found} == {"application/dicom"}, "parts of another media type"
    came = [str(dcmread(BytesIO(each.body), stop_before_pixels=True).SOPInstanceUID) for each in found]
    assert sorted(came) == sorted(expected), f"{len(came)} instances, not the {len(expected)} sent"
    return f"{len(came)} parts"


def instance(peer: Peer) -> str:
    for each in peer.samples.all:
        (part,) = parts(peer.get(each.path, _AS_STORED))
        came = dcmread(BytesIO(part.body))
        for element in each.ds:
            assert came.get(element.tag) == element, f"{element.tag} {element.keyword} differs"
    return f"every attribute of {len(peer.samples.all)} instances"


def single_part(peer: Peer) -> str:
    one = peer.samples.slices[0]
    answer = supported(peer.get(one.path, "application/dicom; transfer-syntax=*"))
    seen = expect(answer, 200, "application/dicom")
    assert dcmread(BytesIO(answer.content)).SOPInstanceUID == one.sop, "another instance"
    return seen


def zipped(peer: Peer) -> str:
    answer = supported(peer.get(peer.samples.slices[0].series_path, "application/zip"))
    seen = expect(answer, 200, "application/zip")
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None, "damaged"
        files = [name for name in archive.namelist() if archive.read(name)[128:132] == b"DICM"]
    assert len(files) == len(peer.samples.slices), f"{len(files)} files"
    return f"{seen}, {len(files)} files"


def unknown(peer: Peer) -> str:
    uid = generate_uid()
    paths = (f"/studies/{uid}", f"{peer.samples.slices[0].study_path}/series/{uid}")
    statuses = {expect(peer.get(path, _AS_STORED), (404, 410)) for path in paths}
    return ", ".join(sorted(statuses))


def partly(peer: Peer) -> str:
    """A study of which a part is in the wanted transfer syntax: all of it made so, or 206 with that part."""
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={JPEGBaseline8Bit}'
    answer = supported(peer.get(peer.samples.ultrasound.study_path, accept))
    seen = expect(answer, (200, 206))
    came = [dcmread(BytesIO(each.body), stop_before_pixels=True) for each in parts(answer)]
    assert {ds.file_meta.TransferSyntaxUID for ds in came} == {JPEGBaseline8Bit}, "another transfer syntax"
    complete = len(came) == len(
        [each for each in peer.samples.all if each.study == peer.samples.ultrasound.study]
    )
    assert complete == (answer.status_code == 200), f"{answer.status_code} with {len(came)} instances"
    return f"{seen}, {len(came)} instances"


def frames_as_stored(peer: Peer) -> str:
    found = parts(peer.get(f"{peer.samples.ultrasound.path}/frames/1,3,2", _FRAMES))
    bodies = [each.body.rstrip(b"\0") for each in found]
    expected = [peer.samples.jpegs[n].rstrip(b"\0") for n in (0, 2, 1)]
    assert bodies == expected, "other bytes, or in another order"
    kinds = {(each.media_type, each.transfer_syntax) for each in found}
    said = {(kind, syntax or JPEGBaseline8Bit) for kind, syntax in kinds}
    assert {syntax for _, syntax in said} == {JPEGBaseline8Bit}, f"labelled {kinds}"
    return "1,3,2 in that order, byte for byte"


def frame_by_media_type(peer: Peer) -> str:
    answer = supported(
        peer.get(f"{peer.samples.ultrasound.path}/frames/2", 'multipart/related; type="image/jpeg"')
    )
    (part,) = parts(answer)
    assert part.media_type == "image/jpeg", part.headers.get("content-type", "no Content-Type")
    assert part.body.rstrip(b"\0") == peer.samples.jpegs[1].rstrip(b"\0"), "other bytes"
    return "image/jpeg"


def frame_uncompressed(peer: Peer) -> str:
    one = peer.samples.slices[0]
    accept = f'multipart/related; type="application/octet-stream"; transfer-syntax={ExplicitVRLittleEndian}'
    (part,) = parts(peer.get(f"{one.path}/frames/1", accept))
    assert part.body == one.ds.PixelData, "other pixels"
    return f"{len(part.body)} bytes"


def frame_alone(peer: Peer) -> str:
    one = peer.samples.slices[0]
    answer = supported(peer.get(f"{one.path}/frames/1", "application/octet-stream"))
    seen = expect(answer, 200, "application/octet-stream")
    assert answer.content == one.ds.PixelData, "other pixels"
    return seen


def no_such_frame(peer: Peer) -> str:
    seen = {n: peer.get(f"{peer.samples.ultrasound.path}/frames/{n}", _FRAMES) for n in ("0", "6", "x")}
    for n, answer in seen.items():
        expect(answer, (400, 404))
        assert media_type(answer) != "multipart/related", f"frame {n} is made up"
    return ", ".join(f"{n}: {answer.status_code}" for n, answer in seen.items())


def ranges_of_a_frame(peer: Peer) -> str:
    """As viewers ask for HTJ2K; a server may ignore Range (RFC 9110 §14.2), and then sends the whole."""
    one = peer.samples.slices[0]
    answer = peer.get(f"{one.path}/frames/1", "application/octet-stream", Range="bytes=2-5")
    if supported(answer).status_code == 200:
        assert answer.content == one.ds.PixelData, "other pixels"
        raise NotSupported("ignores Range")
    seen = expect(answer, 206)
    assert answer.headers.get("content-range") == f"bytes 2-5/{len(one.ds.PixelData)}", (
        "another Content-Range"
    )
    assert answer.content == one.ds.PixelData[2:6], "other bytes"
    return seen


def pixel_data(peer: Peer) -> str:
    """The pixels of every slice, in parts that say of which frame they are."""
    first, sent = peer.samples.slices[0], sorted(each.ds.PixelData for each in peer.samples.slices)
    accept = f'multipart/related; type="application/octet-stream"; transfer-syntax={ExplicitVRLittleEndian}'
    for path, expected in ((first.path, [first.ds.PixelData]), (first.series_path, sent)):
        found = parts(supported(peer.get(f"{path}/pixeldata", accept)))
        assert sorted(each.body for each in found) == expected, "other pixels"
        assert all("/frames/" in each.headers.get("content-location", "") for each in found), "of no frame"
    expect(peer.get(f"{first.study_path}/pixeldata", "multipart/related; transfer-syntax=*"), (200, 206))
    return f"{len(sent)} frames of a series"


CHECKS = (
    Check("10.4.1.1.1", "a study comes whole", study),
    Check("10.4.1.1.1", "a series comes whole", series),
    Check("10.4.1.1.1", "an instance comes as it was sent", instance),
    Check("10.4.4", "application/dicom alone", single_part),
    Check("10.4.4", "application/zip", zipped),
    Check("10.4.3.1", "404 for what is not there", unknown),
    Check("10.4.3.1", "206 for what is there in part", partly),
    Check("10.4.1.1.6", "frames in any order, as stored", frames_as_stored),
    Check("10.4.1.1.6", "frames by media type of the bulk data", frame_by_media_type),
    Check("10.4.1.1.6", "a frame uncompressed", frame_uncompressed),
    Check("10.4.1.1.6", "a single part for a single frame", frame_alone),
    Check("10.4.1.1.6", "frames that are not there", no_such_frame),
    Check("10.4.1.1.6", "pixel data of an instance, a series, a study", pixel_data),
    Check("8.6.1", "a range of a frame", ranges_of_a_frame),
)
