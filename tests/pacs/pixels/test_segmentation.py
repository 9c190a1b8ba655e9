"""Segmentations as pictures: white where a segment is, whatever else its frame has (PS3.3 §C.8.20)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from pacs.pixels.encode import encode
from pacs.pixels.frame import read_frame
from pacs.pixels.presentation import AS_STORED
from pacs.pixels.render import render
from tests.pacs.pixels.images import image, opened, shown

BITS = np.array([[[1, 0, 1], [0, 0, 1]], [[1, 1, 1], [1, 1, 1]], [[0, 0, 0], [0, 0, 0]]], "u1")
"""Three frames of six bits: two of them begin within a byte."""


def binary(vr: str = "OB") -> Dataset:
    packed = np.packbits(BITS.reshape(-1), bitorder="little").tobytes()
    dataset = image(BITS[0], SegmentationType="BINARY")
    dataset.NumberOfFrames = 3
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    del dataset.PixelData
    dataset.add_new(0x7FE00010, vr, packed + bytes(len(packed) % 2))
    return dataset


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg"])
@pytest.mark.parametrize("number", range(3))
def test_binary(media_type: str, number: int) -> None:
    """A frame that a segment fills is white, an empty one black."""
    header, index = opened(binary())
    picture = render(header, read_frame(header, index, number), number, AS_STORED)
    assert (picture.pixels == BITS[number] * 255).all()
    assert encode(picture, media_type)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_binary_in_each_native_syntax(syntax: str) -> None:
    dataset = binary("OW")
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    header, index = opened(dataset, syntax)
    for number in range(3):
        frame = read_frame(header, index, number)
        assert (render(header, frame, number, AS_STORED).pixels == BITS[number] * 255).all()


@pytest.mark.parametrize(
    ("pixels", "attributes", "expected"),
    [
        ([0, 50, 100], {"SegmentationType": "FRACTIONAL", "MaximumFractionalValue": 100}, [0, 128, 255]),
        ([50, 50, 50], {"SegmentationType": "FRACTIONAL", "MaximumFractionalValue": 100}, [128, 128, 128]),
        ([0, 51, 255], {"SegmentationType": "FRACTIONAL", "MaximumFractionalValue": 255}, [0, 51, 255]),
        ([0, 2, 4], {"SegmentationType": "LABELMAP"}, [0, 128, 255]),
        ([3, 3, 3], {"SegmentationType": "LABELMAP"}, [255, 255, 255]),
        ([0, 0, 0], {"SegmentationType": "LABELMAP"}, [0, 0, 0]),
        ([0, 1, 1], {"SegmentationType": "BINARY"}, [0, 255, 255]),  # in bytes, as careless writers have it
    ],
)
def test_other_kinds(pixels: list[int], attributes: dict[str, Any], expected: list[int]) -> None:
    assert shown(image(np.array([pixels], "u1"), **attributes)).tolist() == [expected]
