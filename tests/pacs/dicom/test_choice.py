from __future__ import annotations

import pytest

from pacs.dicom.choice import AsStored, Convert, Impossible, choose

ILE, ELE, DEFLATED, EBE = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
JPEG, J2K, HEVC, PRIVATE = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.107",
    "1.2.840.113619.5.2",
)


@pytest.mark.parametrize(
    ("stored", "accepted", "chosen"),
    [
        (ELE, {ELE}, AsStored(ELE)),
        (ELE, {ILE, ELE}, AsStored(ELE)),
        (ELE, {ILE}, Convert(ILE)),
        (ELE, {EBE, DEFLATED}, Convert(DEFLATED)),
        (ILE, {EBE, ELE, JPEG}, Convert(ELE)),
        (EBE, {ILE, ELE}, Convert(ELE)),
        (DEFLATED, {ILE}, Convert(ILE)),
        (JPEG, {ELE, JPEG}, AsStored(JPEG)),
        (JPEG, {ILE}, Convert(ILE)),
        (J2K, {J2K}, AsStored(J2K)),
        (HEVC, {HEVC, ELE}, AsStored(HEVC)),
        (PRIVATE, {PRIVATE}, AsStored(PRIVATE)),
    ],
)
def test_an_object_goes_as_stored_else_uncompressed(stored: str, accepted: set[str], chosen: object) -> None:
    assert choose(stored, accepted, {JPEG, J2K}) == chosen


@pytest.mark.parametrize(
    ("stored", "accepted", "reason"),
    [
        (ELE, set[str](), "SOP class"),
        (ELE, {JPEG, J2K}, "uncompressed"),
        (JPEG, {J2K}, "uncompressed"),
        (HEVC, {ELE, ILE}, "not decoded"),
        (PRIVATE, {ELE}, "not decoded"),
    ],
)
def test_what_cannot_go_says_why(stored: str, accepted: set[str], reason: str) -> None:
    chosen = choose(stored, accepted, {JPEG, J2K})
    assert isinstance(chosen, Impossible)
    assert reason in chosen.reason
