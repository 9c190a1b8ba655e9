"""Decoding a value field to text or numbers (PS3.5 §6.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from struct import Struct, unpack

from pacs.dicom.charset import decode
from pacs.dicom.dictionary import TEXT_VRS

Value = str | int | float

NUMBERS = {"FD": "d", "FL": "f", "SL": "l", "SS": "h", "SV": "q", "UL": "L", "US": "H", "UV": "Q"}
"""VR → the letter of `struct`."""
_SIZES = {vr: Struct("<" + form).size for vr, form in NUMBERS.items()}
_WHOLE = frozenset({"LT", "ST", "UR", "UT"})
"""One value, backslashes and leading spaces included."""
_BOTH_SIDES = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "SH", "TM", "UI"})
"""VRs in which leading spaces are padding too; in all others only trailing ones are."""
_PADDING = " \0"
_NAME_PADDING = " \0="
"""Empty trailing component groups should be omitted (PS3.5 §6.2.1.1), but some writers send them."""
STRING_VRS = _WHOLE | _BOTH_SIDES | TEXT_VRS


def strings(raw: bytes, vr: str, charsets: tuple[str, ...]) -> list[str]:
    """The values of a text VR without padding; `[]` for an empty field."""
    text = decode(raw, charsets, vr) if vr in TEXT_VRS else raw.decode("latin-1")
    text = text.rstrip(_PADDING)
    if not text:
        return []
    if vr in _WHOLE:
        return [text]
    if vr in _BOTH_SIDES:
        return [value.strip(_PADDING) for value in text.split("\\")]
    padding = _NAME_PADDING if vr == "PN" else _PADDING
    return [value.rstrip(padding) for value in text.split("\\")]


def numbers(raw: bytes, vr: str, big: bool) -> list[int | float]:
    """The values of a binary number VR; an incomplete last one is dropped."""
    count = len(raw) // _SIZES[vr]
    return list(unpack(f"{'>' if big else '<'}{count}{NUMBERS[vr]}", raw[: count * _SIZES[vr]]))


def tags(raw: bytes, big: bool) -> list[str]:
    """The values of AT as eight hexadecimal digits each."""
    halves = numbers(raw[: len(raw) & ~3], "US", big)
    return [f"{group:04X}{element:04X}" for group, element in zip(halves[::2], halves[1::2], strict=True)]


def integer(text: str) -> Value:
    """An IS as a number; as text when it is not one, or beyond 2⁵³, where JSON readers lose precision."""
    try:
        number = int(text)
    except ValueError:
        real = decimal(text)
        if not isinstance(real, float) or not real.is_integer():
            return text
        number = int(real)
    return number if abs(number) <= 1 << 53 and "_" not in text else text


def decimal(text: str) -> Value:
    """A DS as a number; as text when it is not one, or not finite."""
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and "_" not in text else text


_PARSERS: dict[str, Callable[[str], Value]] = {"IS": integer, "DS": decimal}


def parsed(raw: bytes, vr: str, charsets: tuple[str, ...], big: bool) -> list[Value]:
    """The values, numbers as numbers; `[]` when empty, and for binary VRs and sequences."""
    if vr in NUMBERS:
        return [*numbers(raw, vr, big)]
    if vr == "AT":
        return [*tags(raw, big)]
    if vr not in STRING_VRS:
        return []
    found = strings(raw, vr, charsets)
    parse = _PARSERS.get(vr)
    return [parse(value) if value else value for value in found] if parse else [*found]
