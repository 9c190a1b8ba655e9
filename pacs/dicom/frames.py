"""Where each frame lies, so that retrieving one is a range read and never a parse (PS3.5 §8, §A.4)."""

from __future__ import annotations

import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import ClassVar, Self

from pacs.dicom.dictionary import VIDEO
from pacs.dicom.fragments import Fragments
from pacs.dicom.header import Element, Header
from pacs.dicom.source import Source

_BITS_OF_FLOAT = {0x7FE00008: 32, 0x7FE00009: 64}
_NATIVE, _ENCAPSULATED, _NATIVE_INFLATED, _ENCAPSULATED_INFLATED = range(4)
_CODESTREAM_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP", b"\xff\x0a", b"\0\0\0\x0cJXL")
"""JPEG and JPEG-LS, JPEG 2000, JP2, JPEG XL and its container."""
_CODESTREAM_END = b"\xff\xd9"

_HEAD = struct.Struct("<BQLL")

Range = tuple[int, int]
"""Offset and length in bytes."""


class FrameIndex(ABC):
    """Where each frame lies. Frames are counted from 0, `ranges` raises `IndexError` beyond the last."""

    __slots__ = ()

    encapsulated: ClassVar[bool]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def ranges(self, frame: int) -> list[Range]:
        """The pieces of the source whose concatenation is `frame`."""

    @abstractmethod
    def bit_offset(self, frame: int) -> int:
        """Bits of the first byte that belong to the frame before (one bit a pixel only)."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """For the instance's row: 25 bytes for native frames, a few per fragment for encapsulated ones."""

    @staticmethod
    def from_bytes(data: bytes) -> FrameIndex:
        """What `to_bytes` wrote."""
        if data[0] in (_NATIVE, _NATIVE_INFLATED):
            return NativeFrames.unpacked(data)
        return EncapsulatedFrames.unpacked(data)


@dataclass(frozen=True, slots=True)
class NativeFrames(FrameIndex):
    """Frames of `bits` bits each, end to end from `offset` on; one bit a pixel may begin inside a byte."""

    offset: int
    bits: int
    count: int
    inflated: bool = False

    encapsulated: ClassVar[bool] = False

    def __len__(self) -> int:
        return self.count

    def ranges(self, frame: int) -> list[Range]:
        if not 0 <= frame < self.count:
            raise IndexError(frame)
        first, last = frame * self.bits // 8, ((frame + 1) * self.bits + 7) // 8
        return [(self.offset + first, last - first)]

    def bit_offset(self, frame: int) -> int:
        return frame * self.bits % 8

    def to_bytes(self) -> bytes:
        kind = _NATIVE_INFLATED if self.inflated else _NATIVE
        return struct.pack("<BQQQ", kind, self.offset, self.bits, self.count)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        kind, offset, bits, count = struct.unpack("<BQQQ", data)
        return cls(offset, bits, count, kind == _NATIVE_INFLATED)


@dataclass(frozen=True, slots=True)
class EncapsulatedFrames(FrameIndex):
    """Frames of one or more fragments; frame `i` has those from `starts[i]` up to `starts[i + 1]`."""

    offsets: Sequence[int]
    lengths: Sequence[int]
    starts: Sequence[int]
    inflated: bool = False

    encapsulated: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.starts) - 1

    def ranges(self, frame: int) -> list[Range]:
        if not 0 <= frame < len(self):
            raise IndexError(frame)
        part = slice(self.starts[frame], self.starts[frame + 1])
        return list(zip(self.offsets[part], self.lengths[part], strict=True))

    def bit_offset(self, frame: int) -> int:
        return 0

    def to_bytes(self) -> bytes:
        """Gaps between fragments and fragments a frame are nearly always 8 and 1: they deflate to nothing."""
        ends = (offset + length for offset, length in zip(self.offsets, self.lengths, strict=True))
        gaps = [offset - end for end, offset in zip(ends, self.offsets[1:], strict=False)]
        fragments = [stop - start for start, stop in pairwise(self.starts)]
        numbers = [*self.lengths, *gaps, *fragments]
        kind = _ENCAPSULATED_INFLATED if self.inflated else _ENCAPSULATED
        head = _HEAD.pack(kind, self.offsets[0], len(self.lengths), len(fragments))
        return head + zlib.compress(struct.pack(f"<{len(numbers)}L", *numbers), 1)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        kind, first, lengths_count, frames_count = _HEAD.unpack_from(data)
        gaps_count = max(lengths_count - 1, 0)
        total = lengths_count + gaps_count + frames_count
        numbers = struct.unpack(f"<{total}L", zlib.decompress(data[_HEAD.size :]))
        lengths, rest = numbers[:lengths_count], numbers[lengths_count:]
        steps = (length + gap for length, gap in zip(lengths, rest[:gaps_count], strict=False))
        offsets = list(accumulate(steps, initial=first))
        starts = list(accumulate(rest[gaps_count:], initial=0))
        return cls(offsets, lengths, starts, kind == _ENCAPSULATED_INFLATED)


def frame_index(header: Header, source: Source) -> FrameIndex | None:
    """The frames of the data set's own Pixel Data; None when it has none.

    Offsets are of `source`, or, when `inflated`, of what the deflated data set in it inflates to.
    An index shorter than Number of Frames means that the others are not there.
    """
    element = header.pixel_data
    if element is None or element.length == 0:
        return None
    inflated = header.source is not source
    fragments = header.fragments(element.tag)
    if fragments is None:
        bits, count = _native_layout(header, element)
        return NativeFrames(element.offset, bits, count, inflated)
    if len(fragments.offsets) < 2:
        return NativeFrames(element.offset, element.length * 8, 1, inflated)
    return _Encapsulated(header, fragments, inflated).index()


def _number(header: Header, keyword: str, default: int) -> int:
    found = header.values(keyword)[:1]
    return found[0] if found and isinstance(found[0], int) and found[0] > 0 else default


def _native_layout(header: Header, element: Element) -> tuple[int, int]:
    """Bits of a frame and how many frames are there. What fits no frame counts as one."""
    allocated = _BITS_OF_FLOAT.get(element.tag) or _number(header, "BitsAllocated", 8)
    samples = _number(header, "SamplesPerPixel", 1)
    bits = _number(header, "Rows", 0) * _number(header, "Columns", 0) * samples * allocated
    if samples == 3 and (header.text("PhotometricInterpretation") or "").endswith("_422"):
        bits = bits * 2 // 3  # two pixels share their chroma (PS3.3 §C.7.6.3.1.2)
    there = element.length * 8 // bits if bits else 0
    if not there:
        return element.length * 8, 1
    return bits, min(_number(header, "NumberOfFrames", 1), there)


class _Encapsulated:
    """Assigns fragments to frames: by a table if one is right, else by what the fragments look like."""

    def __init__(self, header: Header, fragments: Fragments, inflated: bool) -> None:
        self._header = header
        self._source = header.source
        self._table = fragments.offsets[0], fragments.lengths[0]
        self._offsets = list(fragments.offsets[1:])
        self._lengths = list(fragments.lengths[1:])
        self._inflated = inflated
        self._frames = _number(header, "NumberOfFrames", 1)

    def index(self) -> EncapsulatedFrames:
        while len(self._lengths) > self._frames and not self._lengths[-1]:
            self._offsets.pop()
            self._lengths.pop()
        starts = self._extended_table() or self._basic_table() or self._guess()
        return EncapsulatedFrames(self._offsets, self._lengths, [*starts, len(self._offsets)], self._inflated)

    def _extended_table(self) -> list[int]:
        """Extended Offset Table (PS3.3 §C.7.6.3.1.8): one fragment a frame, lengths without padding."""
        offsets = _words(self._header.raw("ExtendedOffsetTable"), "Q")
        lengths = _words(self._header.raw("ExtendedOffsetTableLengths"), "Q")
        starts = self._starts_at(offsets)
        if starts == list(range(len(self._lengths))) and len(lengths) == len(starts):
            self._lengths = [min(*both) for both in zip(self._lengths, lengths, strict=True)]
        return starts

    def _basic_table(self) -> list[int]:
        offset, length = self._table
        if length > 4 * len(self._offsets):
            return []
        return self._starts_at(_words(self._source.read_at(offset, length), "L"))

    def _starts_at(self, table: Sequence[int]) -> list[int]:
        """The first fragment of each frame; empty when the table is, or is wrong."""
        base = self._offsets[0]
        position = {offset - base: i for i, offset in enumerate(self._offsets)} if table else {}
        starts = [position.get(offset, -1) for offset in table]
        right = len(starts) == self._frames and starts[0] == 0 and all(a < b for a, b in pairwise(starts))
        return starts if right else []

    def _guess(self) -> list[int]:
        fragments = len(self._offsets)
        if self._frames == 1 or self._header.transfer_syntax in VIDEO:
            return [0]
        if fragments <= self._frames:
            return list(range(fragments))
        begins = [i for i in range(fragments) if self._begins_codestream(i)]
        if len(begins) == self._frames and begins[0] == 0:
            return begins
        ends = [i for i in range(fragments) if self._ends_codestream(i)]
        return [0, *(i + 1 for i in ends if i + 1 < fragments)][: self._frames]

    def _begins_codestream(self, fragment: int) -> bool:
        head = self._source.read_at(self._offsets[fragment], min(self._lengths[fragment], 8))
        return head.startswith(_CODESTREAM_STARTS)

    def _ends_codestream(self, fragment: int) -> bool:
        """Padding may follow the marker."""
        length = min(self._lengths[fragment], 10)
        end = self._offsets[fragment] + self._lengths[fragment]
        return _CODESTREAM_END in self._source.read_at(end - length, length)


def _words(raw: bytes | None, form: str) -> tuple[int, ...]:
    """Little endian, as all encapsulated transfer syntaxes are."""
    size = struct.calcsize("<" + form)
    count = len(raw or b"") // size
    return struct.unpack(f"<{count}{form}", (raw or b"")[: count * size])
