"""Uploaded files: single files, ZIP and tar archives. Members are streamed, never unpacked to a path.

An archive is checked as a whole before any member is stored: path traversal in a name or an
implausible size (a zip bomb) refuses all of it. Members that are not DICOM are skipped.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, cast

from pacs.dicom.limits import Limits
from pacs.dicom.part10 import read_part10
from pacs.dicom.source import BytesSource, Source
from pacs.errors import BadInput

try:
    from lzma import LZMAError
except ImportError:  # as some builds of Python lack it, and read no such archive
    LZMAError = zlib.error  # type: ignore[assignment,misc]

MAX_MEMBERS = 100_000
MAX_RATIO = 100
"""Highest ratio of contents to archive size, applied once the contents exceed `RATIO_APPLIES_FROM`."""
RATIO_APPLIES_FROM = 100 << 20
MAX_DESCRIPTION = 16 << 20
"""Bytes of a ZIP archive's central directory, or of a tar archive's headers between two members."""

READ_ERRORS = (
    *(OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, RuntimeError, ValueError),
    *(TypeError, LookupError, ArithmeticError, AttributeError, LZMAError),
)
"""What Python's readers raise on damaged and encrypted archives; some are not documented."""

GZIP = b"\x1f\x8b"
_DICM = slice(128, 132)
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
"""How a data set without preamble begins: group 0002 or 0008, little or big endian."""


class UnsafeArchive(BadInput):
    """The archive's names or sizes are unsafe to unpack."""

    http_status = 422
    code = "UNSAFE_ARCHIVE"


class UnreadableArchive(BadInput):
    """The archive cannot be read."""

    http_status = 422
    code = "UNREADABLE_ARCHIVE"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. Members are opened in their order, each before the next is taken."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One uploaded file. `source` must stay open while this is used."""

    source: Source
    size: int

    @property
    def kind(self) -> str | None:
        """`zip` or `tar`; None for any other file, and for an instance whose preamble looks like either."""
        head = self.source.read_at(0, 512)
        if head[_DICM] == b"DICM":
            return None
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return "zip"
        if head[:2] == GZIP or is_tar(head):
            return "tar"
        return None

    def check(self) -> int:
        """The number of members; 1 for a single file. Raises `UnsafeArchive` or `UnreadableArchive`."""
        count = total = 0
        for member in self.members():
            count, total = count + 1, total + member.size
            if count > MAX_MEMBERS:
                raise UnsafeArchive(f"the archive has more than {MAX_MEMBERS} members")
            if total > RATIO_APPLIES_FROM and total > MAX_RATIO * self.size:
                raise UnsafeArchive(f"the archive's contents are more than {MAX_RATIO} times its own size")
            if _leads_outside(member.name):
                raise UnsafeArchive("a member's name points outside of the archive")
        return count

    def members(self) -> Iterator[Member]:
        read = {"zip": self._zipped, "tar": self._tarred}.get(self.kind or "")
        if read is None:
            yield self.whole
            return
        try:
            yield from read()
        except READ_ERRORS as error:
            raise UnreadableArchive(f"the archive cannot be read ({type(error).__name__})") from error

    @property
    def whole(self) -> Member:
        """The file itself, whatever it is."""
        return Member("", self.size, self._file)

    def _file(self) -> IO[bytes]:
        return io.BufferedReader(_SourceFile(self.source, self.size), 1 << 18)

    def _zipped(self) -> Iterator[Member]:
        with zipfile.ZipFile(_BoundedReader(_SourceFile(self.source, self.size), 1 << 18)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise UnsafeArchive(f"the archive has more than {MAX_MEMBERS} members")
            for member in members:
                if not member.is_dir():
                    yield Member(member.filename, member.file_size, partial(archive.open, member))

    def _tarred(self) -> Iterator[Member]:
        file = self._file()
        compressed = self.source.read_at(0, 2) == GZIP
        stream = _BoundedStream(gzip.GzipFile(fileobj=file) if compressed else file)
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # grows with every member otherwise
                stream.allow(member.size)
                if member.isfile():
                    yield Member(member.name, member.size, partial(_extracted, archive, member))
                elif not member.isdir():
                    raise UnsafeArchive("the archive contains links or devices")


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(member)
    assert opened is not None
    return opened


def _leads_outside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or name.startswith(("/", "\\")) or parts[0].endswith(":")


def is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def is_instance(head: bytes, limits: Limits) -> bool:
    """False for a DICOMDIR as well. `BadInput` for a file with a DICOM prefix that cannot be read."""
    marked = head[_DICM] == b"DICM"
    if not marked and head[:2] not in _FIRST_GROUPS:
        return False
    try:
        part10 = read_part10(BytesSource(head), limits)
    except BadInput:
        if marked:
            raise
        return False
    return not part10.is_dicomdir


class _BoundedReader(io.BufferedReader):
    """Refuses single reads beyond the bound of a central directory, which `zipfile` reads into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DESCRIPTION:
            raise UnsafeArchive("the archive's central directory is too long")
        return super().read(size)


class _BoundedStream:
    """A stream that refuses to be read further than was allowed: `tarfile` reads the headers of a
    member into memory, and a few compressed bytes can inflate to headers of any length."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_DESCRIPTION

    def allow(self, size: int) -> None:
        """Allow the content of a member of `size` bytes and the headers of the next one."""
        self._left = size + MAX_DESCRIPTION

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UnsafeArchive("a member's headers are too long")
        return data


class _SourceFile(io.RawIOBase):
    """A `Source` as a seekable file."""

    def __init__(self, source: Source, size: int) -> None:
        super().__init__()
        self._source = source
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._source.read_at(self._position, min(len(buffer), self._size - self._position))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position
