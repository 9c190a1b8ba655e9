"""One blob open for reading, in any store: ranges, pieces, and verified pieces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Self

from blake3 import blake3

from pacs.errors import Damaged
from storage.blobs.address import address_of

PIECE = 1 << 20


class Reader(ABC):
    """Implements `pacs.ports.BlobReader` on top of one way to read a range."""

    read_twice: ClassVar[int] = PIECE
    """Blobs up to this size are verified in a first pass, before any piece is handed out."""

    def __init__(self, address: str, size: int) -> None:
        self._address = address
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    @abstractmethod
    def read_at(self, offset: int, length: int) -> bytes: ...

    @abstractmethod
    def close(self) -> None: ...

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        stop = self._size if end is None else end
        while start < stop:
            piece = self.read_at(start, min(PIECE, stop - start))
            if not piece:
                raise Damaged(f"{self._address} ends at byte {start}")
            yield piece
            start += len(piece)

    def verified(self, start: int = 0) -> Iterator[bytes]:
        if PIECE < self._size <= self.read_twice:  # a single piece is held back until verified anyway
            self.verify()
            return self.chunks(start)
        return self._hashed(start)

    def verify(self) -> None:
        if self._size <= self.read_twice:
            for _ in self._hashed(self._size):
                pass

    def _hashed(self, start: int) -> Iterator[bytes]:
        """`chunks(start)`; the last piece is held back until all bytes are verified."""
        hasher = blake3()
        position = 0
        held = b""
        for piece in self.chunks():
            hasher.update(piece)
            if held:
                yield held
            held = piece[max(0, start - position) :]
            position += len(piece)
        if address_of(hasher) != self._address:
            raise Damaged(f"{self._address} is no longer what was stored")
        if held:
            yield held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def is_whole(open_blob: Callable[[str], Reader], address: str) -> bool:
    """Whether every byte is as stored; reads them all."""
    try:
        with open_blob(address) as reader:
            return all(True for _ in reader.verified())
    except Damaged:
        return False
