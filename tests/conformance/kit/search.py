"""Search for studies, series and instances (PS3.18 §8.3.4, §10.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from pydicom.uid import generate_uid

from tests.conformance.kit.check import Check, NotSupported, Peer, expect, supported
from tests.conformance.kit.multipart import parts
from tests.conformance.kit.samples import NAME

STUDY, SERIES, SOP = "0020000D", "0020000E", "00080018"
_STUDY_ATTRIBUTES = """
00080020 00080030 00080050 00080061 00080090 00100010 00100020 00100030 00100040 0020000D 00200010 00201206
00201208
"""
_SERIES_ATTRIBUTES = "00080060 0020000E 00200011 00201209"
_INSTANCE_ATTRIBUTES = "00080016 00080018 00200013 00280010 00280011 00280100"


def value(found: Mapping[str, Any], tag: str) -> Any:
    values = found.get(tag, {}).get("Value", [])
    return values[0] if values else None


def _studies(peer: Peer, query: str) -> list[Mapping[str, Any]]:
    """Of this run's patient only."""
    return peer.found(f"/studies?PatientID={peer.samples.patient}&{query}")


def _only(peer: Peer, query: str, *expected: str) -> str:
    uids = sorted(value(each, STUDY) for each in _studies(peer, query))
    wanted = sorted(
        {"first": peer.samples.slices[0].study, "second": peer.samples.pdf.study}[e] for e in expected
    )
    assert uids == wanted, f"{len(uids)} studies for {query}, not {' and '.join(expected) or 'none'}"
    return f"{len(uids)} studies"


def all_resources(peer: Peer) -> str:
    one = peer.samples.slices[0]
    patient = f"PatientID={peer.samples.patient}"
    counts = {
        f"/studies?{patient}": 2,
        f"{one.study_path}/series": 2,
        f"{one.study_path}/instances": 4,
        f"{one.series_path}/instances": 3,
        f"/series?SeriesInstanceUID={one.series}": 1,
        f"/instances?SOPInstanceUID={one.sop}": 1,
    }
    for path, expected in counts.items():
        found = len(peer.found(path))
        assert found == expected, f"{found} of {path.partition('?')[0]}, not {expected}"
    return f"{len(counts)} resources"


def _has(found: Mapping[str, Any], tags: str) -> str:
    lacks = [tag for tag in tags.split() if tag not in found]
    assert not lacks, f"lacks {' '.join(lacks)}"
    return f"{len(tags.split())} attributes"


def study_attributes(peer: Peer) -> str:
    found = _studies(peer, "StudyDate=20250115")[0]
    assert (value(found, "00201206"), value(found, "00201208")) == (2, 4), "counts of series and instances"
    assert sorted(found["00080061"]["Value"]) == ["CT", "US"], found["00080061"]
    return _has(found, _STUDY_ATTRIBUTES)


def series_attributes(peer: Peer) -> str:
    found = peer.found(f"{peer.samples.slices[0].study_path}/series?Modality=CT")[0]
    assert value(found, "00201209") == 3, "Number of Series Related Instances"
    return _has(found, _SERIES_ATTRIBUTES)


def instance_attributes(peer: Peer) -> str:
    return _has(peer.found(f"{peer.samples.slices[0].series_path}/instances")[0], _INSTANCE_ATTRIBUTES)


def upper_level_attributes(peer: Peer) -> str:
    """Results of relational searches hold the attributes of the levels above (§10.6.3.3)."""
    found = peer.found(f"/instances?SOPInstanceUID={peer.samples.slices[0].sop}")[0]
    return _has(found, f"{STUDY} {SERIES} 00100020 00080060")


def retrieve_url(peer: Peer) -> str:
    url = str(value(_studies(peer, "StudyDate=20250115")[0], "00081190") or "")
    assert url.endswith(peer.samples.slices[0].study_path), f"{url!r} does not lead to the study"
    return url[:60]


def names(peer: Peer) -> str:
    found = value(_studies(peer, "StudyDate=20250115")[0], "00100010")
    alphabetic, ideographic, phonetic = NAME.split("=")
    expected = {"Alphabetic": alphabetic, "Ideographic": ideographic, "Phonetic": phonetic}
    assert found == expected, f"{found}"
    return "three groups, in UTF-8"


def single_value(peer: Peer) -> str:
    seen = _only(peer, f"AccessionNumber=A{peer.samples.number}", "first")
    _only(peer, f"00080050=B{peer.samples.number}", "second")
    _only(peer, f"AccessionNumber=C{peer.samples.number}")
    return f"{seen} by keyword and by tag"


def uid_list(peer: Peer) -> str:
    both = peer.samples.slices[0].study, peer.samples.pdf.study
    return _only(peer, f"StudyInstanceUID={','.join(both)}", "first", "second")


def wildcards(peer: Peer) -> str:
    number = peer.samples.number
    _only(peer, f"StudyDescription=Kit%20f*{number}", "first")
    _only(peer, f"AccessionNumber=%3F{number}", "first", "second")
    return _only(peer, "PatientName=*rgerlich*", "first", "second")


def ranges(peer: Peer) -> str:
    _only(peer, "StudyDate=20250115-20250131", "first")
    _only(peer, "StudyDate=20250201-", "second")
    _only(peer, "StudyDate=-20250115", "first")
    return _only(peer, "StudyDate=20250101-20251231", "first", "second")


def combined_ranges(peer: Peer) -> str:
    """PS3.4 §C.2.2.2.5.2: date and time together bound one span, which neither does alone."""
    found = _studies(peer, "StudyDate=20250114-20250221&StudyTime=110000-120000")
    if not found:
        raise NotSupported("date and time are matched apart")
    assert len(found) == 2, f"{len(found)} studies, not 2"
    return "one span from the first moment to the last"


def modalities(peer: Peer) -> str:
    return _only(peer, "ModalitiesInStudy=US", "first")


def sequences(peer: Peer) -> str:
    one, number = peer.samples.slices[0], peer.samples.number
    path = f"{one.study_path}/series?RequestAttributesSequence.ScheduledProcedureStepID=SPS{number}"
    found = [value(each, SERIES) for each in peer.found(path)]
    assert found == [one.series], f"{len(found)} series"
    nothing = peer.found(path + "X")
    assert nothing == [], f"{len(nothing)} series for a value that none has"
    return "1 series"


def fuzzy(peer: Peer) -> str:
    answer = peer.get(
        f"/studies?PatientID={peer.samples.patient}&PatientName=argerlich&fuzzymatching=true",
        "application/dicom+json",
    )
    if answer.status_code in (400, 501) or "299" in answer.headers.get("warning", ""):
        raise NotSupported(f"{answer.status_code} {answer.headers.get('warning', '')}".strip())
    found = answer.json() if answer.status_code == 200 else []
    if not found:
        raise NotSupported("no match, no warning")
    uids = {value(each, STUDY) for each in found}
    assert uids == {peer.samples.slices[0].study, peer.samples.pdf.study}, f"{len(uids)} studies, not 2"
    return f"{len(found)} studies for argerlich"


def include_field(peer: Peer) -> str:
    for fields in (
        "includefield=StudyDescription&includefield=00081030",
        "includefield=StudyDescription,00080090",
    ):
        found = _studies(peer, f"StudyDate=20250115&{fields}")[0]
        assert value(found, "00081030") == f"Kit first {peer.samples.number}", f"{fields} has no effect"
    return "by keyword, tag and list"


def include_all(peer: Peer) -> str:
    found = peer.found(f"{peer.samples.slices[0].series_path}/instances?includefield=all&limit=1")[0]
    return f"{len(found)} attributes"


def paging(peer: Peer) -> str:
    one = peer.samples.slices[0]
    pages = [peer.found(f"{one.series_path}/instances?limit=1&offset={n}") for n in range(4)]
    assert [len(page) for page in pages] == [1, 1, 1, 0], f"{[len(page) for page in pages]} on four pages"
    uids = {value(page[0], SOP) for page in pages[:3]}
    assert uids == {each.sop for each in peer.samples.slices}, "a page repeats another"
    return "3 pages, each instance once"


def nothing_found(peer: Peer) -> str:
    answer = peer.get(f"/studies?StudyInstanceUID={generate_uid()}", "application/dicom+json")
    seen = expect(answer, (200, 204))
    assert answer.status_code == 204 or answer.json() == [], "something was found"
    return seen


def malformed(peer: Peer) -> str:
    return expect(peer.get("/studies?StudyDate=yesterday", "application/dicom+json"), 400)


def unknown_attribute(peer: Peer) -> str:
    """Ignored or refused; never an accident."""
    answer = peer.get(f"/studies?PatientID={peer.samples.patient}&NoSuchKeyword=1", "application/dicom+json")
    return expect(answer, (200, 204, 400))


def in_xml(peer: Peer) -> str:
    path = f"/studies?PatientID={quote(peer.samples.patient)}"
    found = parts(supported(peer.get(path, 'multipart/related; type="application/dicom+xml"')))
    for part in found:
        assert ElementTree.fromstring(part.body).tag.endswith("NativeDicomModel"), "another document"
    assert len(found) == 2, f"{len(found)} parts, not 2"
    return f"{len(found)} parts of application/dicom+xml"


CHECKS = (
    Check("10.6.1.1", "studies, series and instances, at every level", all_resources),
    Check("10.6.3.3.1", "attributes of a study", study_attributes),
    Check("10.6.3.3.2", "attributes of a series", series_attributes),
    Check("10.6.3.3.3", "attributes of an instance", instance_attributes),
    Check("10.6.3.3", "attributes of the levels above", upper_level_attributes),
    Check("10.6.3.3.1", "Retrieve URL", retrieve_url),
    Check("F.2.2", "person names in three groups", names),
    Check("8.3.4.1", "single values by keyword and tag", single_value),
    Check("8.3.4.1", "lists of UIDs", uid_list),
    Check("8.3.4.1", "wildcards * and ?", wildcards),
    Check("8.3.4.1", "ranges of dates", ranges),
    Check("8.3.4.1", "a combined range of date and time", combined_ranges),
    Check("8.3.4.1", "Modalities in Study", modalities),
    Check("8.3.4.1", "attributes inside sequences", sequences),
    Check("8.3.4.2", "fuzzymatching", fuzzy),
    Check("8.3.4.3", "includefield", include_field),
    Check("8.3.4.3", "includefield=all", include_all),
    Check("8.3.4.4", "limit and offset", paging),
    Check("10.6.3.1", "nothing found", nothing_found),
    Check("10.6.3.1", "400 for a malformed value", malformed),
    Check("10.6.1.2", "an unknown attribute", unknown_attribute),
    Check("10.6.3", "results in the native DICOM model (XML)", in_xml),
)
