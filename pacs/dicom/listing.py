"""Lists the elements of a data set in one loop (PS3.5 §7), without recursion and in bounded memory.

Three parallel arrays hold each element and item in stream order: its key, the offset of its value, the
length of its value. Offsets ascend, so the children of an entry are the entries after it, up to its end.
Nothing is decoded, and values longer than the window are never read.

Frequent errors of real writers are tolerated where the intention is clear: missing delimiters, wrong item
lengths, implicit VR inside explicit VR, unknown VRs, values cut off by the end of the stream.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from struct import Struct

from pacs.dicom.dictionary import (
    ITEM,
    ITEM_DELIMITATION,
    LONG_CODES,
    PIXEL_DATA,
    PUBLIC_CODES,
    SEQUENCE_DELIMITATION,
    SHORT_CODES,
    SQ,
    UN,
    UNDEFINED,
    uncommon_code,
)
from pacs.dicom.element_budget import ElementBudget
from pacs.dicom.fragments import Fragments, walk_fragments
from pacs.dicom.limits import Limits
from pacs.dicom.source import Source
from pacs.errors import LimitExceeded

WINDOW = 64 * 1024
LONGEST_HEADER = 12
_PAD = 16
"""Zeros after the window, so that a header at the very end of the stream can be unpacked."""
_CREATOR = 64  # characters of an LO
_VALUE_COST = 64  # fragments that take as much memory as one more encapsulated value

_EXPLICIT = (Struct("<HH2sH").unpack_from, Struct(">HH2sH").unpack_from)
_IMPLICIT = (Struct("<HHL").unpack_from, Struct(">HHL").unpack_from)
_LENGTH = (Struct("<L").unpack_from, Struct(">L").unpack_from)
_STRUCTURAL = frozenset({SQ, UN})
_DELIMITERS = frozenset({ITEM, ITEM_DELIMITATION, SEQUENCE_DELIMITATION})
_UN_AS_KNOWN = 0xFFFF
"""A public attribute sent as UN gets its own VR back if its value is shorter than this. Longer ones are UN
because their length does not fit 16 bits (PS3.5 §6.2.2)."""


@dataclass(slots=True)
class _Open:
    """A data set or a sequence that is being listed.

    `end`: where it should end. `hard_end`: what nothing inside may cross, the end of the stream or of the
    nearest enclosing sequence of defined length. `open_ended`: its own length is undefined.
    """

    entry: int
    end: int
    hard_end: int
    implicit: bool
    big: bool
    open_ended: bool


@dataclass(slots=True)
class _DataSet(_Open):
    """The outermost one, with entry -1, or an item. `creators`: tag of each private creator → its entry."""

    creators: dict[int, int] = field(default_factory=dict)


class _Sequence(_Open):
    __slots__ = ()


class Listing:
    """The entries of one data set. `keys[i]` is `tag << 8 | code of the VR`.

    For an item, the code is 1 if its numbers are big endian, else 0.
    """

    def __init__(self, source: Source, start: int, limits: Limits) -> None:
        self.source = source
        self.keys = array("Q")
        self.offsets = array("Q")
        self.lengths = array("Q")
        self.fragments: dict[int, Fragments] = {}
        self.truncated = False
        self.limits = limits
        self._stack: list[_DataSet | _Sequence] = []
        self._start = self._pos = self._base = start
        self._end = source.size
        self._jumped = 0
        self._fragments_left = limits.fragments
        self._budget = ElementBudget(limits.elements)
        self._window = b""
        self._refill()
        self._head = self._window

    def read(self, offset: int, length: int) -> bytes:
        at = offset - self._start
        if at >= 0 and at + length <= len(self._head) - _PAD:
            return self._head[at : at + length]
        return self.source.read_at(offset, length)

    def after(self, entry: int) -> int:
        """The entry that follows `entry` and everything inside it."""
        key = self.keys[entry]
        if key & 0xFF != SQ and key >> 8 != ITEM:
            return entry + 1
        return bisect_right(self.offsets, self.offsets[entry] + self.lengths[entry], entry + 1)

    @property
    def walked(self) -> int:
        """Bytes walked through so far: all but values longer than the window."""
        return self._pos - self._start - self._jumped

    def fill(self, implicit: bool, big: bool) -> None:
        """List everything from the start to the end of the source."""
        self._stack = [_DataSet(-1, self._end, self._end, implicit, big, open_ended=False)]
        while self._stack:
            innermost = self._stack[-1]
            if isinstance(innermost, _Sequence):
                self._next_item(innermost)
            else:
                self._list_elements(innermost)
        self._window = b""

    def _refill(self) -> None:
        """Move the window to the current position, and check the limits on the walk."""
        limits = self.limits
        if len(self.keys) > limits.elements:
            raise LimitExceeded(f"the data set has more than {limits.elements} elements (PACS_MAX_ELEMENTS)")
        self._budget.reserve(len(self.keys))
        if sum(len(each.creators) for each in self._stack if isinstance(each, _DataSet)) > limits.width:
            raise LimitExceeded(f"the data set has more than {limits.width} private creators")
        if self.walked > limits.header_bytes:
            raise LimitExceeded(f"the data set's header is longer than {limits.header_bytes} bytes")
        self._base = self._pos
        data = self.source.read_at(self._pos, WINDOW)
        self._window = data + bytes(_PAD)
        self._last = len(data) if self._pos + len(data) >= self._end else len(data) - LONGEST_HEADER

    def _at(self, pos: int) -> int:
        """The index of `pos` in the window, where a whole element header can be unpacked."""
        if pos - self._base > self._last:
            self._pos = pos
            self._refill()
        return pos - self._base

    def _peek(self, pos: int, big: bool) -> tuple[int, int, int]:
        """Group, element and length of the header at `pos`, read as implicit VR."""
        at = self._at(pos)
        header: tuple[int, int, int] = _IMPLICIT[big](self._window, at)
        return header

    def _append(self, tag: int, code: int, offset: int, length: int) -> int:
        self.keys.append(tag << 8 | code)
        self.offsets.append(offset)
        self.lengths.append(length)
        return len(self.keys) - 1

    def _list_elements(self, dataset: _DataSet) -> None:
        """List elements until the data set ends, which closes it, or a sequence is opened.

        The inner loop handles only elements of defined length without children; it is the hot path.
        """
        implicit, end, creators = dataset.implicit, dataset.end, dataset.creators
        unpack_explicit, unpack_implicit = _EXPLICIT[dataset.big], _IMPLICIT[dataset.big]
        add_key, add_offset, add_length = self.keys.append, self.offsets.append, self.lengths.append
        window, base, last, pos = self._window, self._base, self._last, self._pos
        while pos + 8 <= end:
            at = pos - base
            if at > last:
                at = self._at(pos)
                window, base, last = self._window, self._base, self._last
            if implicit:
                group, element, length = unpack_implicit(window, at)
                code = PUBLIC_CODES.get(group << 16 | element, UN)
                plain = code not in _STRUCTURAL and length <= WINDOW
            else:
                group, element, vr, length = unpack_explicit(window, at)
                code = SHORT_CODES.get(vr, UN)
                plain = code != UN
            tag = group << 16 | element
            if plain and pos + 8 + length <= end:
                if group & 1 and element < 0x100:
                    creators[tag] = len(self.keys)
                add_key(tag << 8 | code)
                add_offset(pos + 8)
                add_length(length)
                pos += 8 + length
            else:
                self._pos = pos
                if self._uncommon(dataset, tag, at):
                    return
                pos = self._pos
                window, base, last = self._window, self._base, self._last
        self._pos = max(pos, end)
        self._close(dataset, self._pos)

    def _uncommon(self, dataset: _DataSet, tag: int, at: int) -> bool:
        """List what the inner loop cannot. True when this opened a sequence or closed the data set."""
        if tag in _DELIMITERS:
            return self._delimiter(dataset, tag)
        code, value, length = self._header(dataset, tag, at)
        if value > dataset.hard_end:
            self._pos = dataset.hard_end
            return False
        if code == UN and (tag & 0x10000 or length < _UN_AS_KNOWN or length == UNDEFINED):
            code = self._known_code(dataset, tag)
        if length == UNDEFINED:
            return self._undefined_length(dataset, tag, code, value)
        if value + length > dataset.hard_end:
            length = dataset.hard_end - value
            self.truncated = self.truncated or dataset.hard_end == self._end
        if tag & 0x10000 and tag & 0xFFFF < 0x100:
            dataset.creators[tag] = len(self.keys)
        entry = self._append(tag, code, value, length)
        if code == SQ and length:
            self._open_sequence(dataset, entry, value, length)
            return True
        if length > WINDOW:
            self._jumped += length
        self._pos = value + length
        return False

    def _header(self, dataset: _DataSet, tag: int, at: int) -> tuple[int, int, int]:
        """VR code, value offset and value length of the element at the current position."""
        pos, window = self._pos, self._window
        long_length: int = _LENGTH[dataset.big](window, at + 8)[0]
        implicit_length: int = _LENGTH[dataset.big](window, at + 4)[0]
        if dataset.implicit:
            return PUBLIC_CODES.get(tag, UN), pos + 8, implicit_length
        _, _, vr, short_length = _EXPLICIT[dataset.big](window, at)
        if vr in SHORT_CODES:
            return SHORT_CODES[vr], pos + 8, short_length
        if vr in LONG_CODES:
            return LONG_CODES[vr], pos + 12, long_length
        return self._unknown_vr(dataset, tag, vr, (short_length, long_length, implicit_length))

    def _unknown_vr(
        self, dataset: _DataSet, tag: int, vr: bytes, lengths: tuple[int, int, int]
    ) -> tuple[int, int, int]:
        """A VR that is not in the standard: choose the header form after which a plausible element follows.

        Two capital letters may be a future VR, with two zero bytes and a 32-bit length, or a writer's
        private VR with a 16-bit length. Anything else is implicit VR, or `??` in place of a VR.
        """
        short_length, long_length, implicit_length = lengths
        short = UN, self._pos + 8, short_length
        long = UN, self._pos + 12, long_length
        implicit = PUBLIC_CODES.get(tag, UN), self._pos + 8, implicit_length
        if vr.isalpha() and vr.isupper():
            return long if short_length == 0 and self._goes_on(dataset, tag, long) else short
        if self._goes_on(dataset, tag, short) and not self._goes_on(dataset, tag, implicit):
            return short
        return implicit

    def _goes_on(self, dataset: _DataSet, tag: int, header: tuple[int, int, int]) -> bool:
        """Whether an element with this header is followed by a higher tag, a delimiter or the end."""
        _, value, length = header
        stop = value + length
        if length == UNDEFINED or stop + 8 > dataset.end:
            return length == UNDEFINED or stop == dataset.end
        group, element, _ = _IMPLICIT[dataset.big](self.source.read_at(stop, 8) + bytes(8))
        return int(group << 16 | element) > tag

    def _known_code(self, dataset: _DataSet, tag: int) -> int:
        """The VR from the dictionaries, for an element without VR or with UN."""
        code = PUBLIC_CODES.get(tag)
        if code is not None:
            return code
        creator = ""
        if tag & 0x10000:
            entry = dataset.creators.get(tag & 0xFFFF0000 | (tag >> 8 & 0xFF))
            if entry is not None:
                raw = self.read(self.offsets[entry], min(self.lengths[entry], _CREATOR))
                creator = raw.decode("latin-1").strip(" \0")
        return uncommon_code(tag, creator)

    def _undefined_length(self, dataset: _DataSet, tag: int, code: int, value: int) -> bool:
        if tag not in PIXEL_DATA and code in _STRUCTURAL:
            group, element, _ = self._peek(value, self._items_big(dataset, value))
            if code == SQ or group << 16 | element in _DELIMITERS:
                self._open_sequence(dataset, self._append(tag, SQ, value, 0), value, None)
                return True
        fragments = walk_fragments(self.source, value, dataset.hard_end, dataset.big, self._fragments_left)
        self._fragments_left -= fragments.walked + _VALUE_COST
        if self._fragments_left < 0:
            raise LimitExceeded("the data set has too many encapsulated values")
        entry = self._append(tag, code, value, fragments.end - value)
        self.fragments[entry] = fragments
        self.truncated = self.truncated or (fragments.truncated and dataset.hard_end == self._end)
        self._jumped += fragments.end - value
        self._pos = fragments.next
        return False

    def _items_big(self, dataset: _DataSet, value: int) -> bool:
        """A sequence sent as UN is little endian even in a big endian data set (PS3.5 §6.2.2)."""
        at = self._at(value)
        return dataset.big and self._window[at : at + 2] != b"\xfe\xff"

    def _open_sequence(self, dataset: _DataSet, entry: int, value: int, length: int | None) -> None:
        if len(self._stack) > 2 * self.limits.depth:
            raise LimitExceeded(f"sequences are nested more than {self.limits.depth} deep")
        end = dataset.hard_end if length is None else value + length
        big, open_ended = self._items_big(dataset, value), length is None
        self._stack.append(_Sequence(entry, end, end, dataset.implicit, big, open_ended))
        self._pos = value

    def _next_item(self, sequence: _Sequence) -> None:
        """Open the next item of `sequence`, or close it."""
        pos = self._pos
        if pos + 8 > sequence.end:
            self._pos = sequence.end
            self._close(sequence, sequence.end)
            return
        group, element, length = self._peek(pos, sequence.big)
        tag = group << 16 | element
        if tag == ITEM:
            self._open_item(sequence, pos + 8, length)
        elif tag == ITEM_DELIMITATION:
            self._pos = pos + 8  # superfluous: the item had a defined length
        else:
            delimited = tag == SEQUENCE_DELIMITATION
            if not sequence.open_ended:
                self._pos = sequence.end
            elif delimited:
                self._pos = pos + 8
            sequence.open_ended = False
            self._close(sequence, pos)

    def _open_item(self, sequence: _Sequence, value: int, length: int) -> None:
        hard_end = sequence.hard_end
        end = hard_end if length == UNDEFINED else min(value + length, hard_end)
        implicit = sequence.implicit
        if not implicit and value + 8 <= end:
            # Items in an explicit VR data set may be implicit VR, and not only in UN (PS3.5 §6.2.2).
            at = self._at(value)
            group, _, vr, _ = _EXPLICIT[sequence.big](self._window, at)
            implicit = group != ITEM >> 16 and not (vr.isalpha() and vr.isupper())
        entry, open_ended = self._append(ITEM, sequence.big, value, 0), length == UNDEFINED
        self._stack.append(_DataSet(entry, end, hard_end, implicit, sequence.big, open_ended))
        self._pos = value

    def _delimiter(self, dataset: _DataSet, tag: int) -> bool:
        """A delimiter among the elements of a data set: it ends the item, or is stray and skipped."""
        pos = self._pos
        if dataset.entry < 0:
            self._pos = pos + 8
            return False
        open_ended, dataset.open_ended = dataset.open_ended, False
        if tag == ITEM_DELIMITATION:
            self._pos = pos + 8 if open_ended else max(pos + 8, dataset.end)
        self._close(dataset, pos)
        return True

    def _close(self, ended: _Open, end: int) -> None:
        """The content of `ended` ends at `end`. If it is still open-ended, its delimiter is missing."""
        self._stack.pop()
        if ended.open_ended and ended.hard_end == self._end:
            self.truncated = True
        if ended.entry >= 0:
            self.lengths[ended.entry] = end - self.offsets[ended.entry]
