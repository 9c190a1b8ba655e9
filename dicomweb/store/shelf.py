"""The bulk data of one store request, laid down on disk until the instances are made of it.

All parts lie in one spooled file, one behind the other, whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dicomweb.store.media_type import MediaType
from pacs.errors import InvalidDataSet, PacsError
from pacs.ports import SpooledFile

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Bulk:
    """One part, or a piece of one: both a payload and a source to read headers from."""

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

    def part(self, offset: int, length: int | None) -> Bulk:
        rest = self.size - offset
        size = rest if length is None else min(rest, length)
        return Bulk(self.spool, self.start + offset, size, self.kind)


@dataclass(frozen=True, slots=True)
class Joined:
    """Several parts as one value."""

    parts: Sequence[Bulk]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def chunks(self) -> Iterator[bytes]:
        for part in self.parts:
            yield from part.chunks()


class Shelf:
    """Parts by their Content-Location. Filled one part at a time; read by any thread once `full`."""

    def __init__(self, spool: SpooledFile) -> None:
        self._spool = spool
        self.bulk: dict[str, list[Bulk]] = {}

    def sink(self, location: str, kind: MediaType) -> ShelfSink:
        return ShelfSink(self, self._spool, location, kind)

    def full(self) -> None:
        """Nothing more comes: what the spool still gathers goes to its file."""
        self._spool.read_at(self._spool.size, 1)

    def find(self, uri: str) -> Joined:
        """`InvalidDataSet` when no part has that location."""
        if uri not in self.bulk:
            raise InvalidDataSet("bulk data that the metadata refers to is missing")
        return Joined(self.bulk[uri])


class ShelfSink:
    """One part on its way to the shelf. Its result is what went wrong, None for nothing."""

    def __init__(self, shelf: Shelf, spool: SpooledFile, location: str, kind: MediaType) -> None:
        self._shelf, self._spool = shelf, spool
        self._location, self._kind = location, kind
        self._start = spool.size
        self._error: PacsError | None = None

    @property
    def refused(self) -> bool:
        return self._error is not None

    def write(self, data: bytes) -> None:
        if self._error is None:
            try:
                self._spool.write(data)
            except PacsError as error:
                self._error = error

    def finish(self) -> PacsError | None:
        if self._error is None:
            part = Bulk(self._spool, self._start, self._spool.size - self._start, self._kind)
            self._shelf.bulk.setdefault(self._location, []).append(part)
        return self._error

    def abandon(self) -> None:
        """The shelf as a whole is thrown away."""
