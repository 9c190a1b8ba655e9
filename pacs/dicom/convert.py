"""A stored data set in another transfer syntax, with every value and every pixel unchanged.

The source is walked once, in its own order: element headers are rewritten, values are copied in pieces
and byte-swapped where the byte order differs, so memory use does not depend on the object's size.
Sequences and items get undefined lengths, group lengths are dropped (PS3.5 §7.2). Compressed pixel data is
decoded frame by frame by a function passed in; the attributes that describe the pixels are corrected.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from pacs.dicom.dictionary import ITEM, ITEM_DELIMITATION, SEQUENCE_DELIMITATION, UNDEFINED
from pacs.dicom.encoding import UNIT, Encoding, deflated, encoding_of, padding, swapped
from pacs.dicom.frames import EncapsulatedFrames, frame_index
from pacs.dicom.image import DecodedFrame, ImagePixel, image_pixel
from pacs.dicom.reader import Element, Header
from pacs.errors import InvalidDataSet, NotConvertible

Decode = Callable[[str, ImagePixel, bytes], DecodedFrame]
"""Transfer syntax, attributes and one compressed frame → the uncompressed frame."""

PIECE = 256 * 1024  # divisible by every unit of byte order
MAX_COMPRESSED_FRAME = 256 << 20
_LONGEST = UNDEFINED - 1

_PHOTOMETRIC_INTERPRETATION = 0x00280004
_PLANAR_CONFIGURATION = 0x00280006
_BITS_ALLOCATED = 0x00280100
_OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002})
_NUMBER_OF_FRAMES = 0x00280008


def convert(header: Header, transfer_syntax: str, decode: Decode) -> Iterator[bytes]:
    """The data set in an uncompressed transfer syntax, piece by piece.

    Before the first piece the first frame has been decoded. `NotConvertible` can still be raised later,
    by another frame: callers that cannot take an answer back spool the pieces first.
    """
    target = encoding_of(transfer_syntax)
    pieces = _gathered(_Conversion(target, decode).data_set(header))
    return deflated(pieces) if target.deflated else pieces


def _gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of `PIECE` bytes or more: element headers and values are mostly short."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


class _Conversion:
    def __init__(self, target: Encoding, decode: Decode) -> None:
        self._target = target
        self._decode = decode

    def data_set(self, header: Header) -> Iterator[bytes]:
        """One data set or item. Nested items recurse, to the depth that the reader's limits allow."""
        pixels = self._encapsulated(header)
        for element in header:
            if element.tag & 0xFFFF == 0:
                continue
            if element.vr == "SQ":
                yield from self._sequence(header, element)
            elif pixels is None:
                yield from self._value(header, element)
            elif element.tag == pixels.tag:
                yield from pixels.value(self._target)
            elif element.tag not in _OFFSET_TABLES:
                corrected = pixels.corrected(element.tag, self._target)
                yield from self._value(header, element) if corrected is None else (corrected,)

    def _encapsulated(self, header: Header) -> _Pixels | None:
        element = header.pixel_data
        if element is None or not element.encapsulated:
            return None
        return _Pixels(header, element.tag, self._decode)

    def _sequence(self, header: Header, element: Element) -> Iterator[bytes]:
        target = self._target
        yield target.header(element.tag, "SQ", UNDEFINED)
        for item in header.items(element.tag):
            yield target.delimiter(ITEM, UNDEFINED)
            yield from self.data_set(item)
            yield target.delimiter(ITEM_DELIMITATION)
        yield target.delimiter(SEQUENCE_DELIMITATION)

    def _value(self, header: Header, element: Element) -> Iterator[bytes]:
        vr, unit = self._written_as(header, element)
        pad = padding(vr, element.length)
        length = element.length + len(pad)
        if length > _LONGEST:
            raise NotConvertible("a value is too long for a 32-bit length field")
        yield self._target.header(element.tag, vr, length)
        for offset in range(0, element.length, PIECE):
            size = min(PIECE, element.length - offset)
            data = header.source.read_at(element.offset + offset, size)
            if len(data) != size:
                raise InvalidDataSet("the stored data set is shorter than it was")
            yield swapped(data, unit) if unit else data
        yield pad

    def _written_as(self, header: Header, element: Element) -> tuple[str, int]:
        """The VR in the target, and the size of one number if its byte order changes, else 0.

        Pixels of up to 8 bits become OB, which has no byte order; pixels wider than 16 bits are swapped
        as whole numbers, not as pairs of words.
        """
        vr = element.vr
        stored = written = UNIT.get(vr, 0)
        pixels = header.pixel_data
        if pixels is not None and element.tag == pixels.tag and vr == "OW":
            allocated = header.integer(_BITS_ALLOCATED, 16)
            if allocated <= 8:
                vr, written = "OB", 0
            elif allocated in (32, 64):
                stored = written = allocated // 8
        was, becomes = header.big_endian and stored, self._target.big and written
        return vr, max(was, becomes) if bool(was) != bool(becomes) else 0


class _Pixels:
    """Encapsulated pixel data of one level. The first frame is decoded at once: it tells what all will be."""

    def __init__(self, header: Header, tag: int, decode: Decode) -> None:
        self.tag = tag
        self._stored = image_pixel(header)
        self._transfer_syntax = header.transfer_syntax
        self._decode = decode
        self._frames = _frames(header)
        self._count = max(header.integer(_NUMBER_OF_FRAMES, 1), 1)
        self._first = self._decoded(next(self._frames, b""))
        self._image = self._first.image

    def corrected(self, tag: int, target: Encoding) -> bytes | None:
        """The element as it must read after decoding; None when it stays as it is."""
        if tag == _PHOTOMETRIC_INTERPRETATION:
            return target.element(tag, "CS", self._image.photometric_interpretation.encode())
        if tag == _PLANAR_CONFIGURATION:
            return target.element(
                tag, "US", struct.pack(f"{target.order}H", self._image.planar_configuration)
            )
        return None

    def value(self, target: Encoding) -> Iterator[bytes]:
        """The uncompressed Pixel Data element, frame after frame without gaps (PS3.5 §8.1.1)."""
        image = self._image
        length = (image.frame_bits * self._count + 7) // 8
        length += length % 2
        if length > _LONGEST:
            raise NotConvertible("the uncompressed pixel data is too long for a 32-bit length field")
        vr = "OW" if image.bits_allocated > 8 else "OB"
        yield target.header(self.tag, vr, length)
        unit = image.bits_allocated // 8 if target.big else 0
        for frame in _joined(self._all(), image.frame_bits % 8):
            length -= len(frame)
            yield swapped(frame, unit) if unit > 1 else frame
        if length not in (0, 1):
            raise NotConvertible("there are fewer frames than Number of Frames says")
        yield bytes(length)

    def _decoded(self, frame: bytes) -> DecodedFrame:
        return self._decode(self._transfer_syntax, self._stored, frame)

    def _all(self) -> Iterator[bytes]:
        yield self._first.data
        for frame in islice(self._frames, self._count - 1):
            decoded = self._decoded(frame)
            if decoded.image != self._image:
                raise NotConvertible("the frames are not all encoded alike")
            yield decoded.data


def _joined(frames: Iterable[bytes], odd_bits: int) -> Iterator[bytes]:
    """One-bit frames packed without gaps: each starts in the last byte of the one before (PS3.5 §8.1.1)."""
    if not odd_bits:
        yield from frames
        return
    carried = bits = 0
    for frame in frames:
        count = len(frame) * 8 - 8 + odd_bits
        carried |= (int.from_bytes(frame, "little") & (1 << count) - 1) << bits
        whole, bits = divmod(bits + count, 8)
        data = carried.to_bytes(whole + 1, "little")
        carried = data[-1]
        yield data[:-1]
    if bits:
        yield bytes((carried,))


def _frames(header: Header) -> Iterator[bytes]:
    """The compressed frames, one at a time in memory."""
    index = frame_index(header, header.source)
    if not isinstance(index, EncapsulatedFrames):
        raise NotConvertible("the encapsulated pixel data holds no frames")
    for frame in range(len(index)):
        ranges = index.ranges(frame)
        if sum(length for _, length in ranges) > MAX_COMPRESSED_FRAME:
            raise NotConvertible("a compressed frame is larger than what is decoded here")
        yield b"".join(header.source.read_at(*piece) for piece in ranges)
