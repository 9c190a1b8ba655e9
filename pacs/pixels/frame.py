"""One frame of a data set, whatever its encoding, as uncompressed little endian samples."""

from __future__ import annotations

import numpy as np

from pacs.dicom.encoding import swapped
from pacs.dicom.frames import FrameIndex
from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame, ImagePixel, image_pixel
from pacs.dicom.transfer_syntaxes import GE_PRIVATE
from pacs.errors import InvalidDataSet, NotConvertible, NotFound
from pacs.pixels.decode import MAX_FRAME, decode

FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA = 0x7FE00008, 0x7FE00009


def read_frame(header: Header, index: FrameIndex, number: int) -> DecodedFrame:
    """Frame `number`, counted from 0; `NotFound` beyond the last, `NotConvertible` when undecodable."""
    if not 0 <= number < len(index):
        raise NotFound(f"there is no frame {number + 1}")
    image = _described(header)
    if sum(length for _, length in index.ranges(number)) > MAX_FRAME:
        raise NotConvertible("a frame is larger than what is decoded here")
    if index.encapsulated:
        parts = [header.source.read_at(*piece) for piece in index.ranges(number)]
        return decode(header.transfer_syntax, image, b"".join(parts))
    return DecodedFrame(image, _native(header, image, index, number))


def _described(header: Header) -> ImagePixel:
    try:
        image = image_pixel(header)
    except InvalidDataSet as fault:
        raise NotConvertible(str(fault)) from fault
    if image.frame_size > MAX_FRAME:
        raise NotConvertible("a frame is larger than what is decoded here")
    return image


def _native(header: Header, image: ImagePixel, index: FrameIndex, number: int) -> bytes:
    """Chroma stays subsampled as stored; bit-packed frames are shifted to begin on a byte."""
    ((offset, length),) = index.ranges(number)
    element = header.pixel_data
    unit = max(image.bits_allocated // 8, 2 if element is not None and element.vr == "OW" else 1)
    if not (header.big_endian or header.transfer_syntax == GE_PRIVATE) or unit == 1:
        data = header.source.read_at(offset, length)
    else:
        data = _swapped_from(header, offset, length, unit)
    if shift := index.bit_offset(number):
        bits = np.unpackbits(np.frombuffer(data, "u1"), bitorder="little")
        data = np.packbits(bits[shift : shift + image.frame_bits], bitorder="little").tobytes()
    wanted = image.frame_size
    if image.photometric_interpretation.endswith("_422") and len(data) == wanted * 2 // 3:
        return data
    if len(data) < wanted:
        raise NotConvertible("the pixel data is shorter than the data set says")
    return data[:wanted]


def _swapped_from(header: Header, offset: int, length: int, unit: int) -> bytes:
    """A frame of odd length may begin inside a word (PS3.5 §7.3)."""
    element = header.pixel_data
    inside = (offset - (element.offset if element else offset)) % unit
    whole = -(-(inside + length) // unit) * unit
    return swapped(header.source.read_at(offset - inside, whole), unit)[inside : inside + length]
