"""Value Representations: their kinds, and the VR of each tag (PS3.5 §6.2, PS3.6)."""

from __future__ import annotations

from functools import lru_cache

from pydicom.datadict import (
    DicomDictionary,
    dictionary_VR,
    keyword_dict,
    private_dictionary_VR,
)

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_DELIMITATION = 0xFFFEE00D
SEQUENCE_DELIMITATION = 0xFFFEE0DD
PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
SPECIFIC_CHARACTER_SET = 0x00080005

SHORT_VRS = (
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST",
    "TM", "UI", "UL", "US",
)  # fmt: skip
"""Explicit VR: 16-bit length. All others have two reserved bytes and a 32-bit length (PS3.5 §7.1.2)."""
LONG_VRS = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
AMBIGUOUS_VRS = ("US or SS", "OB or OW", "US or SS or OW", "US or OW")
"""VRs that depend on other attributes (PS3.6); only implicit VR has to resolve them."""

VRS = SHORT_VRS + LONG_VRS + AMBIGUOUS_VRS
CODES = {vr: code for code, vr in enumerate(VRS)}
SHORT_CODES = {vr.encode(): CODES[vr] for vr in SHORT_VRS}
LONG_CODES = {vr.encode(): CODES[vr] for vr in LONG_VRS}
SQ, UN, LO, UL = CODES["SQ"], CODES["UN"], CODES["LO"], CODES["UL"]

PUBLIC_CODES: dict[int, int] = {tag: CODES.get(entry[0], UN) for tag, entry in DicomDictionary.items()}
"""Tag → code of its VR."""

TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs to which Specific Character Set applies (PS3.5 §6.1.2.3)."""
BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def tag_of(attribute: int | str) -> int:
    """`KeyError` for a keyword that PS3.6 does not know."""
    return attribute if isinstance(attribute, int) else int(keyword_dict[attribute])


@lru_cache(maxsize=8192)
def uncommon_code(tag: int, creator: str) -> int:
    """VR code of tags that `PUBLIC_CODES` lacks: private elements, repeating groups, group lengths; else UN.

    `creator` is the Private Creator of the tag's block, empty for none (PS3.5 §7.8.1).
    """
    group, element = tag >> 16, tag & 0xFFFF
    if group & 1:
        return _private_code(tag, element, creator)
    if element == 0:
        return UL
    try:
        return CODES.get(dictionary_VR(tag), UN)
    except KeyError:
        return UN


def _private_code(tag: int, element: int, creator: str) -> int:
    if 0x10 <= element <= 0xFF:
        return LO
    try:
        return CODES.get(private_dictionary_VR(tag, creator), UN) if creator else UN
    except KeyError:
        return UN
