"""Metadata and what it names: bulk data (PS3.18 §10.4.1.1.2, §10.4.1.1.5, Annex F)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

import httpx

from tests.conformance.kit.check import Check, NotSupported, Peer, expect, media_type, supported
from tests.conformance.kit.multipart import parts
from tests.conformance.kit.samples import PDF, Sample

_JSON = "application/dicom+json"
_NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
_OCTETS = 'multipart/related; type="application/octet-stream"'


def _metadata(peer: Peer, path: str) -> list[dict[str, Any]]:
    answer = peer.get(f"{path}/metadata", _JSON)
    expect(answer, 200, _JSON)
    found: list[dict[str, Any]] = answer.json()
    return found


def every_level(peer: Peer) -> str:
    one = peer.samples.slices[0]
    counts = [len(_metadata(peer, path)) for path in (one.study_path, one.series_path, one.path)]
    assert counts == [4, 3, 1], f"{counts} data sets of study, series and instance, not [4, 3, 1]"
    return f"{counts} data sets"


def attributes_are_complete(peer: Peer) -> str:
    """Annex F.2: every attribute, in the JSON model; bulk data may be left to a URI."""
    compared = 0
    for each in peer.samples.all:
        (found,) = _metadata(peer, each.path)
        for tag, expected in each.ds.to_json_dict(bulk_data_threshold=1 << 30).items():
            if tag in ("00080005", "7FE00010", "00420011", "54000100"):
                continue
            assert tag in found, f"{tag} is missing"
            assert found[tag]["vr"] == expected["vr"], (
                f"{tag} has VR {found[tag]['vr']}, not {expected['vr']}"
            )
            assert _same(found[tag], expected), f"{tag} is {found[tag]}, not {expected}"
            compared += 1
    return f"{compared} attributes as sent"


def _same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Decimal strings may be spelled as numbers or strings, with other digits (§F.2.3, note 2)."""
    values, wanted = found.get("Value"), expected.get("Value")
    if expected["vr"] == "DS" and values and wanted:
        return [float(each) for each in values] == [float(each) for each in wanted]
    return bool(values == wanted)


def pixels_by_uri(peer: Peer) -> str:
    (found,) = _metadata(peer, peer.samples.slices[0].path)
    assert "InlineBinary" not in found.get("7FE00010", {}), "pixels are inline"
    assert "BulkDataURI" in found.get("7FE00010", {}), "no BulkDataURI of the pixels"
    return str(found["7FE00010"]["BulkDataURI"])[:60]


def in_xml(peer: Peer) -> str:
    accept = 'multipart/related; type="application/dicom+xml"'
    found = parts(supported(peer.get(f"{peer.samples.slices[0].series_path}/metadata", accept)))
    for part in found:
        root = ElementTree.fromstring(part.body)
        assert root.tag in (f"{_NATIVE}NativeDicomModel", "NativeDicomModel"), root.tag
    assert len(found) == 3, f"{len(found)} parts, not 3"
    return f"{len(found)} parts of application/dicom+xml"


def _uris(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "BulkDataURI" in value:
            yield value["BulkDataURI"]
        for inner in value.values():
            yield from _uris(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _uris(inner)


def _bulk_uri(peer: Peer, one: Sample) -> str:
    """The address of the longest value of the instance, relative ones resolved."""
    (found,) = _metadata(peer, one.path)
    uris = list(_uris(found))
    assert uris, "no BulkDataURI"
    return str(httpx.URL(f"{str(peer.web.base_url).rstrip('/')}{one.path}/metadata").join(uris[-1]))


def bulk_data(peer: Peer) -> str:
    (part,) = parts(peer.get(_bulk_uri(peer, peer.samples.slices[0]), _OCTETS))
    assert part.body == peer.samples.slices[0].ds.PixelData, "other bytes"
    return f"{len(part.body)} bytes of pixels"


def bulk_data_in_a_sequence(peer: Peer) -> str:
    (found,) = _metadata(peer, peer.samples.ecg.path)
    item = found["54000100"]["Value"][0]["54001010"]
    if "BulkDataURI" not in item:
        assert "InlineBinary" in item, "neither URI nor value of the waveform"
        return "inline"
    (part,) = parts(peer.get(_bulk_uri(peer, peer.samples.ecg), _OCTETS))
    assert part.body == peer.samples.waveform, "other bytes"
    return f"{len(part.body)} bytes of a waveform"


def document(peer: Peer) -> str:
    (found,) = _metadata(peer, peer.samples.pdf.path)
    assert "00420011" in found, "no Encapsulated Document"
    if "BulkDataURI" not in found["00420011"]:
        assert "InlineBinary" in found["00420011"], "neither URI nor value of the document"
        return "inline"
    answer = supported(peer.get(_bulk_uri(peer, peer.samples.pdf), "application/octet-stream"))
    seen = expect(answer, 200)
    assert answer.content.startswith(PDF), "other bytes"
    return seen


def part_of_bulk_data(peer: Peer) -> str:
    uri = _bulk_uri(peer, peer.samples.slices[0])
    supported(peer.get(uri, "application/octet-stream"), (400, 406))
    answer = peer.get(uri, "application/octet-stream", Range="bytes=10-19")
    if answer.status_code == 200:
        return _not_in_parts(peer, answer)
    supported(answer)
    assert answer.status_code == 206, f"{answer.status_code} {media_type(answer)}"
    assert answer.content == peer.samples.slices[0].ds.PixelData[10:20], "other bytes"
    return f"206 {answer.headers.get('content-range')}"


def all_bulk_data(peer: Peer) -> str:
    """Of an instance and of its series, each value as a part that says where it is."""
    one, slices = peer.samples.slices[0], peer.samples.slices
    for path, expected in ((one.path, [one]), (one.series_path, slices)):
        found = parts(supported(peer.get(f"{path}/bulkdata", _OCTETS)))
        assert all(part.headers.get("content-location") for part in found), "parts without Content-Location"
        bodies = {part.body for part in found}
        assert bodies >= {each.ds.PixelData for each in expected}, "pixels are missing"
    return f"{len(found)} values of a series"


def _not_in_parts(peer: Peer, answer: httpx.Response) -> str:
    """A server may ignore Range (RFC 9110 §14.2), and then sends the whole."""
    assert peer.samples.slices[0].ds.PixelData in answer.content, "neither the range nor the whole"
    raise NotSupported("200, the whole")


CHECKS = (
    Check("10.4.1.1.2", "metadata of study, series and instance", every_level),
    Check("F.2", "every attribute in DICOM JSON as sent", attributes_are_complete),
    Check("F.2.6", "pixels by BulkDataURI", pixels_by_uri),
    Check("10.4.4", "metadata in the native DICOM model (XML)", in_xml),
    Check("10.4.1.1.5", "bulk data under its URI", bulk_data),
    Check("10.4.1.1.5", "bulk data inside sequences", bulk_data_in_a_sequence),
    Check("10.4.1.1.5", "an encapsulated document", document),
    Check("10.4.1.1.5", "all bulk data of an instance and a series", all_bulk_data),
    Check("8.6.1", "a range of bulk data", part_of_bulk_data),
)
