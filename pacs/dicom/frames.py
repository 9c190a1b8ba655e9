"""Where each frame's bytes are, so that retrieving one is a range read, never a parse (PS3.5 §8, §A.4)."""

from __future__ import annotations

import struct
import sys
import zlib
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import add
from typing import ClassVar, Self

from pacs.dicom.fragments import Fragments
from pacs.dicom.header import Element, Header
from pacs.dicom.source import Source
from pacs.dicom.transfer_syntaxes import VIDEO

_BITS_OF_FLOAT = {0x7FE00008: 32, 0x7FE00009: 64}
_NATIVE, _ENCAPSULATED, _NATIVE_INFLATED, _ENCAPSULATED_INFLATED = range(4)
_CODESTREAM_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP", b"\xff\x0a", b"\0\0\0\x0cJXL")
"""JPEG and JPEG-LS, JPEG 2000, JP2, JPEG XL and its container."""
_CODESTREAM_END = b"\xff\xd9"

_HEAD = struct.Struct("<BQLL")

Range = tuple[int, int]
"""Offset and length in bytes."""


class FrameIndex(ABC):
    """Where each frame's bytes are. Frames count from 0; `ranges` raises `IndexError` beyond the last."""

    __slots__ = ()

    encapsulated: ClassVar[bool]
    inflated: bool
    """Offsets refer to the inflated data set of a deflated transfer syntax, not to the stored bytes."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def ranges(self, frame: int) -> list[Range]:
        """The ranges of the source that make up `frame`, in order."""

    @abstractmethod
    def bit_offset(self, frame: int) -> int:
        """How many bits of the first byte belong to the previous frame (one-bit pixels only)."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The index as it is stored: 25 bytes for native frames, a few per fragment for encapsulated ones."""

    @staticmethod
    def from_bytes(data: bytes) -> FrameIndex:
        """What `to_bytes` wrote."""
        if data[0] in (_NATIVE, _NATIVE_INFLATED):
            return NativeFrames.unpacked(data)
        return EncapsulatedFrames.unpacked(data)


@dataclass(frozen=True, slots=True)
class NativeFrames(FrameIndex):
    """Frames of `bits` bits each, without gaps, from `offset` on. One-bit frames may begin inside a byte."""

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
    """Frames of one or more fragments: frame `i` has the fragments `starts[i]` up to `starts[i + 1]`."""

    offsets: array[int]
    lengths: array[int]
    starts: array[int]
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
        """Compressed: nearly always 8 bytes lie between fragments, and a frame is one fragment."""
        numbers = array("I", self.lengths)
        ends = map(add, self.offsets, self.lengths)
        numbers.extend(offset - end for offset, end in zip(self.offsets[1:], ends, strict=False))
        numbers.extend(stop - start for start, stop in pairwise(self.starts))
        kind = _ENCAPSULATED_INFLATED if self.inflated else _ENCAPSULATED
        return _HEAD.pack(kind, self.offsets[0], len(self.lengths), len(self)) + zlib.compress(
            _little_endian(numbers).tobytes(), 1
        )

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        kind, first, lengths_count, frames_count = _HEAD.unpack_from(data)
        numbers = _little_endian(array("I", zlib.decompress(data[_HEAD.size :])))
        lengths, gaps = numbers[:lengths_count], numbers[lengths_count : 2 * lengths_count - 1]
        offsets = array("Q", accumulate(map(add, lengths, gaps), initial=first))
        starts = array("I", accumulate(numbers[-frames_count:], initial=0))
        return cls(offsets, array("Q", lengths), starts, kind == _ENCAPSULATED_INFLATED)


def frame_index(header: Header, source: Source) -> FrameIndex | None:
    """The frames of the data set's own Pixel Data; None without pixel data.

    Offsets refer to `source` or, if `inflated`, to the inflated data set. When the index has fewer frames
    than Number of Frames says, the others are missing from the data set.
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
    """Bits per frame, and the number of frames; a value shorter than a frame counts as one."""
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
    """Assigns fragments to frames: by an offset table if a consistent one exists, else by their content."""

    def __init__(self, header: Header, fragments: Fragments, inflated: bool) -> None:
        self._header = header
        self._source = header.source
        self._table = fragments.offsets[0], fragments.lengths[0]
        self._offsets = fragments.offsets[1:]
        self._lengths = fragments.lengths[1:]
        self._inflated = inflated
        self._frames = _number(header, "NumberOfFrames", 1)

    def index(self) -> EncapsulatedFrames:
        while len(self._lengths) > self._frames and not self._lengths[-1]:
            self._offsets.pop()
            self._lengths.pop()
        starts = array("I", self._extended_table() or self._basic_table() or self._guess())
        starts.append(len(self._offsets))
        return EncapsulatedFrames(self._offsets, self._lengths, starts, self._inflated)

    def _extended_table(self) -> Sequence[int]:
        """Extended Offset Table (PS3.3 §C.7.6.3.1.8): one fragment a frame, lengths without padding."""
        offsets, lengths = (self._extended_words(suffix) for suffix in ("", "Lengths"))
        starts = self._starts_at(offsets)
        if len(starts) == len(lengths) == len(self._lengths):
            self._lengths = array("Q", map(min, self._lengths, lengths))
        return starts

    def _extended_words(self, suffix: str) -> array[int]:
        table = self._header.element("ExtendedOffsetTable" + suffix)
        if table is None or table.length > 8 * len(self._offsets):
            return array("Q")
        return _words(self._source.read_at(table.offset, table.length), "Q")

    def _basic_table(self) -> Sequence[int]:
        offset, length = self._table
        if length > 4 * len(self._offsets):
            return ()
        return self._starts_at(_words(self._source.read_at(offset, length), "I"))

    def _starts_at(self, table: Sequence[int]) -> Sequence[int]:
        """The first fragment of each frame; empty when the table is empty or inconsistent."""
        offsets, base, starts = self._offsets, self._offsets[0], array("I")
        if len(table) != self._frames or table[0] != 0:
            return ()
        for offset in table:
            fragment = bisect_left(offsets, base + offset)
            if fragment == len(offsets) or offsets[fragment] != base + offset:
                return ()
            starts.append(fragment)
        return starts if all(a < b for a, b in pairwise(starts)) else ()

    def _guess(self) -> Sequence[int]:
        fragments = len(self._offsets)
        if self._frames == 1 or self._header.transfer_syntax in VIDEO:
            return (0,)
        if fragments <= self._frames:
            return range(fragments)
        begins = [i for i in range(fragments) if self._begins_codestream(i)]
        if len(begins) == self._frames and begins[0] == 0:
            return begins
        ends = [i for i in range(fragments) if self._ends_codestream(i)]
        return [0, *(i + 1 for i in ends if i + 1 < fragments)][: self._frames]

    def _begins_codestream(self, fragment: int) -> bool:
        head = self._source.read_at(self._offsets[fragment], min(self._lengths[fragment], 8))
        return head.startswith(_CODESTREAM_STARTS)

    def _ends_codestream(self, fragment: int) -> bool:
        """Whether the end marker is near the fragment's end, where padding may follow it."""
        length = min(self._lengths[fragment], 10)
        end = self._offsets[fragment] + self._lengths[fragment]
        return _CODESTREAM_END in self._source.read_at(end - length, length)


def _words(raw: bytes, form: str) -> array[int]:
    """The numbers of an offset table, which is little endian in all encapsulated transfer syntaxes."""
    words = array(form)
    words.frombytes(raw[: len(raw) - len(raw) % words.itemsize])
    return _little_endian(words)


def _little_endian(numbers: array[int]) -> array[int]:
    """Convert from or to little endian, in place."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
