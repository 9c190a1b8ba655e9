"""Segmentations as pictures: white where a segment is, whatever else its frame has (PS3.3 §C.8.20)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import jpeg_ls
import numpy as np
import openjpeg.utils
import pytest
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
)

from pacs.dicom.image import ImagePixel
from pacs.pixels.decode import DEFLATED_IMAGE_FRAME, decode
from pacs.pixels.encode import encode
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import DEFAULT_PARAMETERS
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
    picture = render(header, read_frame(header, index, number), number, DEFAULT_PARAMETERS)
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
        assert (render(header, frame, number, DEFAULT_PARAMETERS).pixels == BITS[number] * 255).all()


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


def _deflated(packed: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(packed) + compressor.flush()


def _jpeg_2000(bits: np.ndarray, precision: int) -> bytes:
    rows, columns = bits.shape
    made: bytes = openjpeg.utils.encode_buffer(
        bits.tobytes(), columns, rows, 1, precision, False, photometric_interpretation=0
    )
    return made


@pytest.mark.parametrize(
    ("syntax", "encoder"),
    [
        (JPEG2000Lossless, lambda bits: _jpeg_2000(bits, 1)),
        (JPEG2000Lossless, lambda bits: _jpeg_2000(bits * 255, 8)),
        (JPEGLSLossless, lambda bits: bytes(jpeg_ls.encode_array(bits))),  # of two bits, its least
        (JPEGLSLossless, lambda bits: bytes(jpeg_ls.encode_array(bits * 255))),
        (DEFLATED_IMAGE_FRAME, lambda bits: _deflated(np.packbits(bits, bitorder="little").tobytes())),
    ],
)
def test_binary_in_compressed_syntaxes(syntax: str, encoder: Callable[[np.ndarray], bytes]) -> None:
    """Few codecs have single bits, so that writers give them more."""
    bits = (np.indices((37, 41)).sum(0) % 3 == 0).astype(np.uint8)
    decoded = decode(syntax, ImagePixel(37, 41, 1, 1), encoder(bits))
    assert decoded.data == np.packbits(bits, bitorder="little").tobytes()
