"""Decoding one compressed frame: the exact samples of the codestream, without colour conversion.

The samples are in the colour space of the codestream and as wide as Bits Allocated; where the data
set describes them wrongly, the returned attributes are the true ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import jpeg_ls
import numpy as np
import openjpeg
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.errors import NotConvertible
from pacs.pixels.jpeg import colour_space, frame_header, repaired

try:
    import libjpeg
except ImportError:  # under the GPL, so it may be left out (NOTICE); then no JPEG is decoded
    libjpeg = None

MAX_FRAME = 512 << 20
"""Bytes of one uncompressed frame. The largest real ones, single-frame slides, have about 300 MB."""

DEFLATED_IMAGE_FRAME = "1.2.840.10008.1.2.8.1"
JPEG_SPECTRAL_SELECTION = "1.2.840.10008.1.2.4.53"
JPEG_FULL_PROGRESSION = "1.2.840.10008.1.2.4.55"

_J2K_COLOUR = {"YBR_RCT": "RGB", "YBR_ICT": "RGB"}
"""The decoder undoes the codestream's own colour transform (PS3.5 §8.2.4)."""


@dataclass(frozen=True, slots=True)
class Codec:
    """`lossless`: whether this transfer syntax is; None when it may be either."""

    decode: Callable[[ImagePixel, bytes], DecodedFrame]
    lossless: bool | None


def decode(transfer_syntax: str, image: ImagePixel, frame: bytes) -> DecodedFrame:
    """`NotConvertible` when there is no decoder for this syntax or the codestream is not as described."""
    codec = CODECS.get(transfer_syntax)
    if codec is None:
        raise NotConvertible(f"pixel data in {UID(transfer_syntax).name} cannot be decoded here")
    if not 0 < image.frame_size <= MAX_FRAME:
        raise NotConvertible("the size of a frame is zero or larger than what is decoded here")
    try:
        decoded = codec.decode(image, frame)
    except NotConvertible:
        raise
    except Exception as fault:  # each codec has its own way of refusing damaged codestreams
        raise NotConvertible(f"the codestream of a frame is damaged: {fault}") from fault
    if len(decoded.data) != decoded.image.frame_size:
        raise NotConvertible("the decoded frame does not match rows, columns and bits of the data set")
    return decoded


def _jpeg(image: ImagePixel, frame: bytes) -> DecodedFrame:
    frame = repaired(frame)
    found = libjpeg.get_parameters(frame)
    _expect(image, found["rows"], found["columns"], found["nr_components"])
    data = _widened(
        image, libjpeg.decode_pixel_data(frame, version=2), found["precision"], codestream_signed=False
    )
    space = colour_space(frame, image)
    return DecodedFrame(replace(image, photometric_interpretation=space, planar_configuration=0), data)


def _jpeg_ls(image: ImagePixel, frame: bytes) -> DecodedFrame:
    """The decoder returns planes for codestreams by plane."""
    precision, rows, columns, components = frame_header(frame)
    _expect(image, rows, columns, components)
    raw, described = jpeg_ls.decode_buffer(frame)
    data = _widened(image, bytes(raw), precision, codestream_signed=False)
    if image.samples_per_pixel > 1 and described["interleave_mode"] == 0:
        data = _interleaved(image, data)
    space = colour_space(frame, image)
    return DecodedFrame(replace(image, photometric_interpretation=space, planar_configuration=0), data)


def _interleaved(image: ImagePixel, planes: bytes) -> bytes:
    """Planar Configuration 1 to 0."""
    samples = np.frombuffer(planes, f"V{image.bits_allocated // 8}")
    return samples.reshape(image.samples_per_pixel, -1).T.tobytes()


def _jpeg_2000(image: ImagePixel, frame: bytes) -> DecodedFrame:
    found: dict[str, Any] = openjpeg.get_parameters(frame)
    _expect(image, found["rows"], found["columns"], found["samples_per_pixel"])
    data = _widened(
        image, openjpeg.decode_pixel_data(frame, version=2), found["precision"], found["is_signed"]
    )
    space = _J2K_COLOUR.get(image.photometric_interpretation, image.photometric_interpretation)
    return DecodedFrame(replace(image, photometric_interpretation=space, planar_configuration=0), data)


def _rle(image: ImagePixel, frame: bytes) -> DecodedFrame:
    """PS3.5 Annex G. Single bits are run-length encoded as the bytes they are packed into."""
    layout = image
    if image.bits_allocated == 1:
        layout = ImagePixel(1, image.frame_size, 8, 8)
    buffer, _ = get_decoder(RLELossless).as_buffer(
        encapsulate([frame]), index=0, number_of_frames=1, pixel_keyword="PixelData", **_options(layout)
    )
    data = bytes(buffer)
    if image.samples_per_pixel > 1 and image.planar_configuration == 0:
        data = _interleaved(image, data)
    return DecodedFrame(image, data)


def _options(image: ImagePixel) -> dict[str, Any]:
    return {
        "rows": image.rows,
        "columns": image.columns,
        "samples_per_pixel": image.samples_per_pixel,
        "bits_allocated": image.bits_allocated,
        "bits_stored": image.bits_stored,
        "pixel_representation": image.pixel_representation,
        "photometric_interpretation": image.photometric_interpretation,
        "planar_configuration": image.planar_configuration,
    }


def _deflated(image: ImagePixel, frame: bytes) -> DecodedFrame:
    """PS3.5 §A.4.12: each frame is a deflate stream of its native bytes."""
    data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, image.frame_size + 1)
    return DecodedFrame(image, data[: image.frame_size])


def _expect(image: ImagePixel, rows: int, columns: int, samples: int) -> None:
    """Checked before decoding, so that a forged codestream allocates nothing."""
    if (rows, columns, samples) != (image.rows, image.columns, image.samples_per_pixel):
        raise NotConvertible("the codestream's dimensions are not those of the data set")


def _widened(image: ImagePixel, raw: bytes, precision: int, codestream_signed: bool) -> bytes:
    """Samples of `precision` bits, as a decoder returns them, in the container of the data set."""
    container = 8 if precision <= 8 else 16 if precision <= 16 else 32
    allocated, signed = image.bits_allocated, bool(image.pixel_representation)
    if allocated == 1 and container == 8:  # most codecs return single bits as bytes
        return np.packbits(np.frombuffer(raw, "u1"), bitorder="little").tobytes()
    if allocated not in (8, 16, 32) or precision > allocated:
        raise NotConvertible(f"samples of {precision} bits do not fit {allocated} bits allocated")
    if container == allocated and (precision == allocated or signed == codestream_signed):
        return bytes(raw)
    samples = np.frombuffer(raw, f"<{'i' if codestream_signed else 'u'}{container // 8}")
    wide = samples.astype(f"<{'i' if signed else 'u'}{allocated // 8}")
    if signed != codestream_signed:
        wide = wide << (allocated - precision) >> (allocated - precision)
    return wide.tobytes()


_JPEG = {
    str(JPEGBaseline8Bit): Codec(_jpeg, False),
    str(JPEGExtended12Bit): Codec(_jpeg, False),
    JPEG_SPECTRAL_SELECTION: Codec(_jpeg, False),
    JPEG_FULL_PROGRESSION: Codec(_jpeg, False),
    str(JPEGLossless): Codec(_jpeg, True),
    str(JPEGLosslessSV1): Codec(_jpeg, True),
}

CODECS: Mapping[str, Codec] = MappingProxyType(
    (_JPEG if libjpeg else {})
    | {
        str(JPEGLSLossless): Codec(_jpeg_ls, True),
        str(JPEGLSNearLossless): Codec(_jpeg_ls, False),
        str(JPEG2000Lossless): Codec(_jpeg_2000, True),
        str(JPEG2000): Codec(_jpeg_2000, None),
        str(HTJ2KLossless): Codec(_jpeg_2000, True),
        str(HTJ2KLosslessRPCL): Codec(_jpeg_2000, True),
        str(HTJ2K): Codec(_jpeg_2000, None),
        str(RLELossless): Codec(_rle, True),
        DEFLATED_IMAGE_FRAME: Codec(_deflated, True),
    }
)
"""Transfer syntaxes whose frames can be decoded; objects in any other are only sent as stored."""

DECODABLE = frozenset(CODECS)
