"""The bulk data of one store request, spooled until its instances are written.

All parts lie in one spool file, one after the other, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dicomweb.store.media_type import MediaType
from pacs.errors import InvalidDataSet
from pacs.http.intake import Sink
from pacs.ports import SpooledFile

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One part, or a range of one: both a payload and a `Source` to read headers from."""

    spool: SpooledFile
    start: int
    size: int
    kind: MediaType

    def read_at(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return self.spool.read_at(self.start + offset, length)

    def chunks(self) -> Iterator[bytes]:
        for offset in range(0, self.size, _CHUNK):
            yield self.read_at(offset, _CHUNK)

    def part(self, offset: int, length: int | None) -> BulkPart:
        rest = self.size - offset
        size = rest if length is None else min(rest, length)
        return BulkPart(self.spool, self.start + offset, size, self.kind)


@dataclass(frozen=True, slots=True)
class JoinedParts:
    """Several parts as one value."""

    parts: Sequence[BulkPart]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def chunks(self) -> Iterator[bytes]:
        for part in self.parts:
            yield from part.chunks()


class BulkParts:
    """Parts by their Content-Location. Filled one part at a time; read by any thread after `flush`."""

    def __init__(self, spool: SpooledFile) -> None:
        self._spool = spool
        self.by_location: dict[str, list[BulkPart]] = {}

    def sink(self, location: str, kind: MediaType) -> BulkPartSink:
        return BulkPartSink(self, self._spool, location, kind)

    def flush(self) -> None:
        """Flush the spool file; nothing is added after this."""
        self._spool.read_at(self._spool.size, 1)

    def find(self, uri: str) -> JoinedParts:
        """`InvalidDataSet` when no part has that location."""
        if uri not in self.by_location:
            raise InvalidDataSet("no part has the Content-Location of a BulkDataURI in the metadata")
        return JoinedParts(self.by_location[uri])


class BulkPartSink(Sink):
    """Sink of one part, whose result is None."""

    def __init__(self, parts: BulkParts, spool: SpooledFile, location: str, kind: MediaType) -> None:
        self._parts, self._spool = parts, spool
        self._location, self._kind = location, kind
        self._start = spool.size

    def write(self, data: bytes) -> None:
        self._spool.write(data)

    def finish(self) -> None:
        part = BulkPart(self._spool, self._start, self._spool.size - self._start, self._kind)
        self._parts.by_location.setdefault(self._location, []).append(part)
