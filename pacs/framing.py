"""The frames of one stored instance, each by itself: as it lies there, or uncompressed.

Where a frame lies was written down when the instance came (`pacs.dicom.frames`), so a frame is one
range read; the data set around it is read only for what the index does not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

from pacs.bulk import swap
from pacs.dicom.encoding import UNCOMPRESSED, swapped
from pacs.dicom.frames import FrameIndex, NativeFrames
from pacs.dicom.image import DecodedFrame, image_pixel
from pacs.dicom.reader import EXPLICIT_BIG, Header, read_header
from pacs.dicom.source import ReadAhead, Source
from pacs.errors import Damaged, NotConvertible, NotFound
from pacs.model import StoredInstance
from pacs.ports import BlobReader
from pacs.transcoding import Transcoder

ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
NATIVE = frozenset({*UNCOMPRESSED, ENCAPSULATED_UNCOMPRESSED})
"""Transfer syntaxes whose frames need no codec to become Explicit VR Little Endian."""

MAX_COMPRESSED_FRAME = 256 << 20
PIECE = 1 << 20

_unpacked = lru_cache(maxsize=64)(FrameIndex.from_bytes)


def frame_index_of(instance: StoredInstance) -> FrameIndex:
    """`NotFound` when it has no pixels."""
    if instance.frames is None:
        raise NotFound("this instance has no pixel data")
    return _unpacked(instance.frames)


def frame_size(index: FrameIndex, frame: int) -> int:
    """Bytes of a frame that needs no decoding."""
    if isinstance(index, NativeFrames):
        return (index.bits + 7) // 8
    return sum(length for _, length in index.ranges(frame))


class Frames:
    """Those of an instance that is open in `reader`. They are counted from 0."""

    def __init__(self, instance: StoredInstance, reader: BlobReader, transcoder: Transcoder) -> None:
        self._instance = instance
        self._reader = reader
        self._transcoder = transcoder
        self._index = frame_index_of(instance)

    def stored(self, frame: int) -> Iterator[bytes]:
        """The bytes of its fragments, without padding that is known to be some."""
        source = self._source
        for offset, length in self._index.ranges(frame):
            for start in range(0, length, PIECE):
                size = min(PIECE, length - start)
                piece = source.read_at(offset + start, size)
                if len(piece) != size:
                    raise Damaged(f"{self._instance.blob.address} ends within a frame")
                yield piece

    def uncompressed(self, frame: int) -> Iterator[bytes]:
        """Little endian, beginning on a byte. `NotConvertible` when it cannot be decoded here."""
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
        """Compressed anew. `NotConvertible` when it cannot be decoded, or not be encoded as that."""
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
        instance, limits = self._instance, self._transcoder.limits
        source = ReadAhead(self._reader)
        return read_header(source, instance.transfer_syntax, instance.dataset_offset, limits)

    def _decoded(self, frame: int) -> DecodedFrame:
        if sum(length for _, length in self._index.ranges(frame)) > MAX_COMPRESSED_FRAME:
            raise NotConvertible("a compressed frame is larger than what is decoded here")
        image = image_pixel(self._header)
        stored = b"".join(self.stored(frame))
        return self._transcoder.codecs.decode(self._instance.transfer_syntax, image, stored)

    def _swapped(self, frame: int) -> bytes:
        """Numbers are swapped where the pixel data's words are, which a frame may begin within."""
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
        """Single bits that do not fill their last byte: the next frame begins within it (PS3.5 §8.1.1)."""
        packed = int.from_bytes(b"".join(self.stored(frame)), "little") >> index.bit_offset(frame)
        return (packed & (1 << index.bits) - 1).to_bytes((index.bits + 7) // 8, "little")


def _unit(header: Header) -> int:
    element = header.pixel_data
    return swap(header, element) if element else 0
