"""The frames of one stored instance, one at a time: as stored, uncompressed, or compressed anew.

Where each frame lies was recorded at ingest (`pacs.dicom.frames`), so reading a frame is one
range read; the data set around it is parsed only when decoding needs its attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

from pacs.bulk import swap_unit
from pacs.dicom.convert import MAX_COMPRESSED_FRAME
from pacs.dicom.encoding import UNCOMPRESSED, swapped
from pacs.dicom.frames import FrameIndex, NativeFrames
from pacs.dicom.image import DecodedFrame, image_pixel
from pacs.dicom.reader import Header
from pacs.dicom.source import Source
from pacs.dicom.transfer_syntaxes import ENCAPSULATED_UNCOMPRESSED, EXPLICIT_BIG
from pacs.errors import Damaged, NotConvertible, NotFound
from pacs.model import StoredInstance
from pacs.ports import BlobReader
from pacs.transcoding import Transcoder

NATIVE = frozenset({*UNCOMPRESSED, ENCAPSULATED_UNCOMPRESSED})
"""Transfer syntaxes whose frames need no codec to become Explicit VR Little Endian."""

PIECE = 1 << 20

_unpacked = lru_cache(maxsize=64)(FrameIndex.from_bytes)


def frame_index_of(instance: StoredInstance) -> FrameIndex:
    """`NotFound` when the instance has no pixel data."""
    if instance.frames is None:
        raise NotFound("this instance has no pixel data")
    return _unpacked(instance.frames)


def frame_size(index: FrameIndex, frame: int) -> int:
    """Bytes of a frame that needs no decoding."""
    if isinstance(index, NativeFrames):
        return (index.bits + 7) // 8
    return sum(length for _, length in index.ranges(frame))


class Frames:
    """The frames of an instance that is open in `reader`, counted from 0."""

    def __init__(self, instance: StoredInstance, reader: BlobReader, transcoder: Transcoder) -> None:
        self._instance = instance
        self._reader = reader
        self._transcoder = transcoder
        self._index = frame_index_of(instance)

    def stored(self, frame: int) -> Iterator[bytes]:
        """The stored bytes of a frame's fragments, without known padding."""
        source = self._source
        for offset, length in self._index.ranges(frame):
            for start in range(0, length, PIECE):
                size = min(PIECE, length - start)
                piece = source.read_at(offset + start, size)
                if len(piece) != size:
                    raise Damaged(f"{self._instance.blob.address} ends within a frame")
                yield piece

    def uncompressed(self, frame: int) -> Iterator[bytes]:
        """Little endian, byte-aligned. `NotConvertible` when no codec here decodes it."""
        syntax = self._instance.transfer_syntax
        if syntax not in NATIVE:
            yield self._decoded(frame).data
        elif syntax == EXPLICIT_BIG:
            yield self._swapped(frame)
        elif isinstance(self._index, NativeFrames) and self._index.bits % 8:
            yield self._shifted(frame, self._index)
        else:
            yield from self.stored(frame)

    def encoded(self, frame: int, transfer_syntax: str) -> Iterator[bytes]:
        """Compressed anew. `NotConvertible` when the frame cannot be decoded or encoded so."""
        codecs = self._transcoder.codecs
        if self._instance.transfer_syntax in NATIVE:
            raw = DecodedFrame(image_pixel(self._header), b"".join(self.uncompressed(frame)))
        else:
            raw = self._decoded(frame)
        yield codecs.encode(transfer_syntax, raw.image, raw.data)

    @property
    def _source(self) -> Source:
        return self._header.source if self._index.inflated else self._reader

    @cached_property
    def _header(self) -> Header:
        return self._instance.header(self._reader, self._transcoder.limits)

    def _decoded(self, frame: int) -> DecodedFrame:
        if sum(length for _, length in self._index.ranges(frame)) > MAX_COMPRESSED_FRAME:
            raise NotConvertible(
                f"a compressed frame is larger than the {MAX_COMPRESSED_FRAME} bytes decoded here"
            )
        image = image_pixel(self._header)
        stored = b"".join(self.stored(frame))
        return self._transcoder.codecs.decode(self._instance.transfer_syntax, image, stored)

    def _swapped(self, frame: int) -> bytes:
        """Swapped word by word as the pixel data counts them: a frame may begin in the middle of a word."""
        ((offset, length),) = self._index.ranges(frame)
        ((base, _),) = self._index.ranges(0)
        unit = _unit(self._header)
        if unit < 2:
            return b"".join(self.stored(frame))
        first = (offset - base) % unit
        whole = -(-(first + length) // unit) * unit
        words = self._reader.read_at(offset - first, whole)
        return swapped(words, unit)[first : first + length]

    def _shifted(self, frame: int, index: NativeFrames) -> bytes:
        """Bit-packed frames follow each other without alignment to bytes (PS3.5 §8.1.1)."""
        packed = int.from_bytes(b"".join(self.stored(frame)), "little") >> index.bit_offset(frame)
        return (packed & (1 << index.bits) - 1).to_bytes((index.bits + 7) // 8, "little")


def _unit(header: Header) -> int:
    element = header.pixel_data
    return swap_unit(header, element) if element else 0
