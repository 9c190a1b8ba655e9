"""Where the bytes of a data set come from: read in ranges, so no object is held in memory whole."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Protocol, Self

from pacs.dicom.limits import DEFAULT, Limits
from pacs.dicom.scratch import CHUNK, Scratch
from pacs.errors import LimitExceeded


class Source(Protocol):
    """Bytes at offsets. `read_at` returns fewer than `length` only at the end.

    A source whose bytes are those of a file may have `fileno()`, its descriptor, for other processes to read.
    """

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes: ...


class BytesSource:
    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class FileSource:
    """A file: opened by path and then closed here, or given as a descriptor that the caller closes."""

    def __init__(self, file: int | str | Path) -> None:
        self._owned = not isinstance(file, int)
        self._fd = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._fd).st_size

    @property
    def size(self) -> int:
        return self._size

    def fileno(self) -> int:
        return self._fd

    def read_at(self, offset: int, length: int) -> bytes:
        if offset >= self._size or length <= 0:
            return b""
        data = os.pread(self._fd, min(length, self._size - offset), offset)
        while len(data) < length and (more := os.pread(self._fd, length - len(data), offset + len(data))):
            data += more  # one call moves at most 2 GiB
        return data

    def close(self) -> None:
        if self._owned:
            os.close(self._fd)
            self._owned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class InflatedSource:
    """The inflated bytes of a deflated data set (PS3.5 §A.5); offsets refer to these.

    The deflated stream runs from `start` to the end of `source`. It is inflated once, on construction, in
    constant memory. `truncated`: the stream ends early or is damaged; what was inflated before that is
    available. `LimitExceeded` when the result exceeds `limits`.
    """

    def __init__(self, source: Source, start: int = 0, limits: Limits = DEFAULT) -> None:
        self._file = Scratch(limits)
        self.size = 0
        self.truncated = False
        deflated = max(source.size - start, 0)
        self._most = min(
            limits.inflated_bytes, max(limits.inflate_free_bytes, limits.inflate_ratio * deflated)
        )
        try:
            self._inflate(source, start)
        except BaseException:
            self._file.close()
            raise

    def _inflate(self, source: Source, start: int) -> None:
        inflater = zlib.decompressobj(_window_bits(source.read_at(start, 2)))
        offset, pending = start, b""
        try:
            while not inflater.eof:
                if not pending:
                    pending = source.read_at(offset, CHUNK)
                    offset += len(pending)
                    if not pending:
                        break
                self._append(inflater.decompress(pending, CHUNK))
                pending = inflater.unconsumed_tail
            self._append(inflater.flush())
        except zlib.error:
            self.truncated = True
        self.truncated = self.truncated or not inflater.eof

    def _append(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._most:
            raise LimitExceeded(f"the data set inflates to more than {self._most} bytes")
        self._file.write(data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self._file.read_at(offset, length)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _window_bits(head: bytes) -> int:
    """For raw deflate, as the standard has it, or for a zlib stream (RFC 1950), as some writers send it."""
    zlib_stream = len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head) % 31 == 0
    return zlib.MAX_WBITS if zlib_stream else -zlib.MAX_WBITS


class ReadAhead:
    """Reads a whole window when a short range is asked for, so that walking through an object in a remote
    store takes one request for each window rather than one for each element."""

    def __init__(self, source: Source, window: int = CHUNK) -> None:
        self._source = source
        self._length = window
        self._base = 0
        self._window = b""

    @property
    def size(self) -> int:
        return self._source.size

    def read_at(self, offset: int, length: int) -> bytes:
        if length >= self._length:
            return self._source.read_at(offset, length)
        at = offset - self._base
        if at < 0 or at + length > len(self._window):
            self._base, at = offset, 0
            self._window = self._source.read_at(offset, self._length)
        return self._window[at : at + length]
