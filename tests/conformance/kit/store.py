"""Store of instances (PS3.18 §10.5), and what the response says of each (Annex I.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import httpx
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.conformance.kit.check import Check, Peer, expect, supported
from tests.conformance.kit.multipart import BOUNDARY, parts, written
from tests.conformance.kit.samples import sample

RETRIEVE_URL, FAILED, REFERENCED, REASON = "00081190", "00081198", "00081199", "00081197"
_JSON = "application/dicom+json"


def post(web: httpx.Client, files: Sequence[bytes], study: str = "", **headers: str) -> httpx.Response:
    body, kind = written(files)
    path = f"/studies/{study}" if study else "/studies"
    return web.post(path, content=body, headers={"Accept": _JSON, **kind, **headers})


def store_samples(peer: Peer) -> None:
    """What all other checks look for."""
    expect(post(peer.web, [each.data for each in peer.samples.all]), (200, 202))


def _items(answer: httpx.Response, tag: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json().get(tag, {}).get("Value", [])
    return found


def _uids(answer: httpx.Response, tag: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in _items(answer, tag)]


def all_kept(peer: Peer) -> str:
    one, other = peer.samples.stray(), peer.samples.stray()
    answer = post(peer.web, [one.data, other.data])
    seen = expect(answer, 200, _JSON)
    assert sorted(_uids(answer, REFERENCED)) == sorted([one.sop, other.sop]), "not each is referenced"
    assert not _items(answer, FAILED), "Failed SOP Sequence though none failed"
    return seen


def addresses(peer: Peer) -> str:
    one = peer.samples.stray()
    (item,) = _items(post(peer.web, [one.data]), REFERENCED)
    url = str(item[RETRIEVE_URL]["Value"][0])
    assert url.endswith(one.path), f"{url} does not lead to the instance"
    answer = peer.get(url, 'multipart/related; type="application/dicom"; transfer-syntax=*')
    (part,) = parts(answer)
    assert dcmread(BytesIO(part.body)).SOPInstanceUID == one.sop, "another instance"
    return url[:60]


def into_its_study(peer: Peer) -> str:
    one = peer.samples.stray()
    return expect(post(peer.web, [one.data], one.study), 200)


def into_another_study(peer: Peer) -> str:
    one = peer.samples.stray()
    answer = post(peer.web, [one.data], generate_uid())
    seen = expect(answer, 409)
    assert one.sop not in _uids(answer, REFERENCED), "refused, and referenced"
    expect(peer.get(f"{one.path}/metadata", _JSON), (404, 410))
    return seen


def partly(peer: Peer) -> str:
    """One of two belongs elsewhere."""
    one, other = peer.samples.stray(), peer.samples.stray()
    answer = post(peer.web, [one.data, other.data], one.study)
    seen = expect(answer, 202)
    assert _uids(answer, REFERENCED) == [one.sop], "what was kept is not referenced"
    assert _uids(answer, FAILED) == [other.sop], "what failed is not named"
    assert _items(answer, FAILED)[0].get(REASON, {}).get("Value"), "no Failure Reason"
    return f"{seen}, reason {_items(answer, FAILED)[0][REASON]['Value'][0]:#06x}"


def not_dicom(peer: Peer) -> str:
    return expect(post(peer.web, [b"no DICOM at all"]), (400, 409, 415))


def no_uid(peer: Peer) -> str:
    ds = dcmread(BytesIO(peer.samples.stray().data))
    del ds.StudyInstanceUID
    return expect(post(peer.web, [sample(ds).data]), (400, 409))


def nothing(peer: Peer) -> str:
    headers = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
    return expect(peer.web.post("/studies", content=b"", headers=headers), (400, 204, 409))


def another_media_type(peer: Peer) -> str:
    return expect(peer.web.post("/studies", content=b"x", headers={"Content-Type": "text/plain"}), (400, 415))


def again(peer: Peer) -> str:
    """The same bytes twice: kept, kept with a warning, or refused; and there once."""
    one = peer.samples.slices[0]
    seen = expect(post(peer.web, [one.data]), (200, 202, 409))
    found = len(peer.found(f"{one.series_path}/instances"))
    assert found == len(peer.samples.slices), f"{found} instances in a series of {len(peer.samples.slices)}"
    return seen


def odd_framing(peer: Peer) -> str:
    """Preamble and epilogue (RFC 2046 §5.1.1), and a boundary that needs its quotes."""
    one, mark = peer.samples.stray(), "kit (quoted) boundary"
    body = (
        f"a preamble\r\n--{mark}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        + one.data
        + f"\r\n--{mark}--\r\nan epilogue".encode()
    )
    kind = f'multipart/related; type="application/dicom"; boundary="{mark}"'
    return expect(
        peer.web.post("/studies", content=body, headers={"Accept": _JSON, "Content-Type": kind}), 200
    )


def as_metadata(peer: Peer) -> str:
    """§10.5.2.2: metadata in JSON, the pixels in a part of their own."""
    one = peer.samples.stray()
    metadata = one.ds.to_json_dict()
    metadata.update(one.ds.file_meta.to_json_dict())
    metadata["7FE00010"] = {"vr": "OW", "BulkDataURI": "bulk/pixels"}
    body = (
        f"--{BOUNDARY}\r\nContent-Type: {_JSON}\r\n\r\n{json.dumps([metadata])}\r\n"
        f"--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Location: bulk/pixels\r\n\r\n"
    ).encode()
    body += one.ds.PixelData + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f'multipart/related; type="{_JSON}"; boundary={BOUNDARY}'
    answer = peer.web.post("/studies", content=body, headers={"Accept": _JSON, "Content-Type": kind})
    seen = expect(supported(answer, (400, 415, 501)), 200)
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    (part,) = parts(peer.get(one.path, accept))
    assert dcmread(BytesIO(part.body)).PixelData == one.ds.PixelData, "other pixels"
    return seen


def in_xml(peer: Peer) -> str:
    answer = post(peer.web, [peer.samples.stray().data], Accept="application/dicom+xml")
    return expect(supported(answer, (406, 415)), 200, "application/dicom+xml")


CHECKS = (
    Check("10.5.3.1", "200 when all is kept, each referenced", all_kept),
    Check("10.5.3.2", "Retrieve URL leads to the instance", addresses),
    Check("10.5.1.1", "into its own study", into_its_study),
    Check("10.5.3.1", "409 for instances of another study", into_another_study),
    Check("10.5.3.1", "202 and a reason when a part fails", partly),
    Check("10.5.3.1", "what is no DICOM is refused", not_dicom),
    Check("10.5.3.1", "an instance without Study Instance UID is refused", no_uid),
    Check("10.5.3.1", "an empty body", nothing),
    Check("10.5.3.1", "a media type that is not understood", another_media_type),
    Check("10.5.3.1", "the same instance again", again),
    Check("8.6.1.2", "preamble, epilogue and quoted boundary", odd_framing),
    Check("10.5.2.2", "metadata and bulk data", as_metadata),
    Check("10.5.3.2", "the response in XML", in_xml),
)
