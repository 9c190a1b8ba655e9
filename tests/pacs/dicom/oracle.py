"""What pydicom makes of a data set, in our terms."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import pydicom
from pydicom.multival import MultiValue

from pacs.dicom.dictionary import BINARY_VRS
from pacs.dicom.header import Header

Difference = tuple[str, Any, Any]


def differences(header: Header, data_set: pydicom.Dataset, where: str = "") -> Iterator[Difference]:
    """Every place where the header reads otherwise than pydicom, items included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {int(tag) for tag in data_set.keys()}  # noqa: SIM118 - a Dataset iterates elements
        ours = {element.tag for element in header}
        if ours != theirs:
            yield where or "tags", sorted(ours - theirs), sorted(theirs - ours)
        for tag in sorted(ours & theirs):
            yield from _element_differences(header, data_set[tag], f"{where}/{tag:08X}")


def _element_differences(header: Header, theirs: pydicom.DataElement, where: str) -> Iterator[Difference]:
    tag = int(theirs.tag)
    ours = header.element(tag)
    assert ours is not None
    if ours.vr != theirs.VR:
        yield f"{where} VR", ours.vr, theirs.VR
    elif ours.vr == "SQ":
        items = header.items(tag)
        if len(items) != len(theirs.value):
            yield f"{where} items", len(items), len(theirs.value)
        for number, (item, their_item) in enumerate(zip(items, theirs.value, strict=False)):
            yield from differences(item, their_item, f"{where}[{number}]")
    elif ours.vr in BINARY_VRS:
        if header.raw(tag) != (theirs.value or b""):
            yield where, ours.length, len(theirs.value or b"")
    elif (values := comparable(header.values(tag))) != (expected := comparable(_values(theirs))):
        yield where, values, expected


def _values(element: pydicom.DataElement) -> list[Any]:
    value = element.value
    values = list(value) if isinstance(value, list | tuple | MultiValue) else [value]
    if element.VR == "AT":
        return [f"{int(tag):08X}" for tag in values if tag != "" and tag is not None]
    return [str(name) for name in values] if element.VR == "PN" else values


def comparable(values: list[Any]) -> list[Any]:
    """Spaces around a value are padding to us; pydicom keeps some of them, and has NaN unequal to NaN."""
    plain = [value.strip(" \0") if isinstance(value, str) else value for value in values]
    plain = ["NaN" if isinstance(value, float) and math.isnan(value) else value for value in plain]
    return [value for value in plain if value not in ("", None)]
