"""Parser of multipart/related (RFC 2387, RFC 2046 §5.1): bytes in, events out, without I/O of its own.

However the bytes are cut into chunks, the events are the same once the data of a part is joined. What is
buffered is bounded: a part's header, and the few bytes that might be the start of a delimiter.

Tolerated, since senders do it: lines that end in LF alone, text before the first and behind the
last delimiter, a part without header, an empty part without a line of its own. Bytes that only
look like a delimiter (the line goes on) are data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from pacs.errors import BadInput

MAX_HEADER = 16 << 10
"""Bytes of one part's header."""
MAX_PREAMBLE = 64 << 10
"""Bytes before the first delimiter."""
MAX_PARTS = 100_000
_LONGEST_END = 66
"""Bytes of white space and line end that may follow a boundary on its line."""
_BOUNDARY = re.compile(r"[ -~]{0,69}[!-~]")  # some senders use more characters than the RFC allows
_LINE_END = re.compile(rb"[ \t]{0,64}\r?\n")
_UNFINISHED = re.compile(rb"[ \t]{0,64}\r?|-")
_BLANK_LINE = re.compile(rb"\n\r?\n")


class MalformedMultipart(BadInput):
    """The multipart body cannot be understood."""


@dataclass(frozen=True, slots=True)
class PartBegins:
    """`headers`: by name in lower case; of a repeated one the first counts."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    pass


Event = PartBegins | PartData | PartEnds


class _State(Enum):
    PREAMBLE = auto()
    HEADER = auto()
    BODY = auto()
    EPILOGUE = auto()


class MultipartReader:
    """`feed` it chunks and consume the events; `close` it at the end of the body."""

    def __init__(self, boundary: str) -> None:
        """`MalformedMultipart` when the boundary is empty or longer than RFC 2046 has it (70)."""
        if not _BOUNDARY.fullmatch(boundary):
            raise MalformedMultipart("the boundary is missing or malformed")
        self._delimiter = b"\n--" + boundary.encode("ascii")
        self._state = _State.PREAMBLE
        self._buffer = bytearray(b"\n")  # so that a delimiter on the first line follows a line end, too
        self._lead = 1
        """Bytes at the buffer's start that are not data: the end of the line before."""
        self._bare = False
        """Whether lines end in LF alone, so that a CR before a delimiter is data."""
        self._parts = 0
        self._preamble = 0

    @property
    def ended(self) -> bool:
        """Whether the last delimiter was read; anything after it is ignored."""
        return self._state is _State.EPILOGUE

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Exhaust the events before the next chunk. `MalformedMultipart` beyond a bound."""
        if self.ended:
            return
        self._buffer += chunk
        while True:
            before = self._state, len(self._buffer)
            if self._state is _State.HEADER:
                yield from self._header()
            else:
                yield from self._text()
            if before == (self._state, len(self._buffer)):
                return

    def close(self) -> None:
        """`MalformedMultipart` when the last delimiter is missing."""
        if not self.ended:
            raise MalformedMultipart("the body ends before its last boundary")

    def _text(self) -> Iterator[Event]:
        """Data, or the preamble, up to the next delimiter or to the first byte that might begin one."""
        buffer, start = self._buffer, 0
        while (at := buffer.find(self._delimiter, start)) >= 0:
            behind = at + len(self._delimiter)
            rest = bytes(buffer[behind : behind + _LONGEST_END])
            end = _LINE_END.match(rest)
            if end or rest.startswith(b"--"):
                yield from self._delimit(at, behind + end.end() if end else None)
                return
            if _UNFINISHED.fullmatch(rest):
                yield from self._pass(self._without_return(at))
                return
            start = at + 1
        yield from self._pass(self._without_return(self._held_back()))

    def _held_back(self) -> int:
        """Offset of the longest tail of the buffer that may be the start of a delimiter."""
        buffer, delimiter = self._buffer, self._delimiter
        begin = max(0, len(buffer) - len(delimiter) + 1)
        while (at := buffer.find(b"\n", begin)) >= 0:
            if delimiter.startswith(buffer[at:]):
                return at
            begin = at + 1
        return len(buffer)

    def _without_return(self, at: int) -> int:
        """Where data certainly ends when a line end may be at `at`: its CR is held back too."""
        return at - 1 if at > self._lead and self._buffer[at - 1] == 0x0D else at

    def _pass(self, end: int) -> Iterator[Event]:
        """Emit the buffer up to `end`."""
        if end > self._lead:
            if self._state is _State.BODY:
                yield self._data(end)
            else:
                self._skip(end)
            del self._buffer[:end]
            self._lead = 0

    def _skip(self, end: int) -> None:
        self._preamble += end - self._lead
        if self._preamble > MAX_PREAMBLE:
            raise MalformedMultipart(f"no part begins within {MAX_PREAMBLE} bytes")

    def _data(self, end: int) -> PartData:
        with memoryview(self._buffer) as view:
            return PartData(bytes(view[self._lead : end]))

    def _delimit(self, at: int, line_end: int | None) -> Iterator[Event]:
        """A delimiter at `at`, whose line ends at `line_end`; None for the last one."""
        data_end = at if self._bare else self._without_return(at)
        if self._state is _State.BODY:
            if data_end > self._lead:
                yield self._data(data_end)
            yield PartEnds()
        else:
            self._skip(data_end)
            if line_end is not None:
                self._bare = self._buffer[line_end - 2] != 0x0D
        if line_end is None:
            self._buffer.clear()
            self._state = _State.EPILOGUE
        else:
            del self._buffer[: line_end - 1]  # the line end stays: a header may end right behind it
            self._state = _State.HEADER

    def _header(self) -> Iterator[Event]:
        end = _BLANK_LINE.search(self._buffer, 0, MAX_HEADER)
        if end is None:
            if len(self._buffer) >= MAX_HEADER:
                raise MalformedMultipart(f"a part's header is longer than {MAX_HEADER} bytes")
            return
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MalformedMultipart(f"there are more than {MAX_PARTS} parts")
        yield PartBegins(_fields(bytes(self._buffer[: end.start()])))
        del self._buffer[: end.end() - 1]
        self._lead = 1
        self._state = _State.BODY


def _fields(header: bytes) -> dict[str, str]:
    """Field values by name; folded lines are joined, lines that are not fields left out."""
    unfolded = re.sub(r"\r?\n[ \t]+", " ", header.decode("latin-1"))
    fields: dict[str, str] = {}
    for line in unfolded.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields
