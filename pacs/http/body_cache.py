"""A cache of response bodies: gzipped, bounded, in the memory of one process.

The key holds everything that a body's bytes depend on, so no entry is ever stale and none is invalidated.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from pacs.deflate import Gzip, gunzipped
from pacs.http.streaming import Pieces, body_answer, coalesced

MOST = 16 << 20
"""Bytes of all bodies in one process; the metadata of 500 slices takes a quarter of a megabyte."""
LARGEST = MOST // 4


@dataclass(frozen=True, slots=True)
class Body:
    """`stream`: pieces of one gzip stream; `packed`: their bytes; `size`: bytes once inflated."""

    stream: Sequence[bytes]
    packed: int
    size: int

    def answer(self, media_type: str, headers: dict[str, str], gzip: bool) -> Response:
        if gzip:
            return body_answer(_each(self.stream), media_type, self.packed, headers=headers)
        return body_answer(gunzipped(self.stream), media_type, self.size, headers=headers)


class BodyCache:
    """Evicts the least recently used body first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies = OrderedDict[Hashable, Body]()
        self._held = 0

    def get(self, key: Hashable) -> Body | None:
        with self._lock:
            found = self._bodies.get(key)
            if found is not None:
                self._bodies.move_to_end(key)
            return found

    def put(self, key: Hashable, body: Body) -> None:
        with self._lock:
            replaced = self._bodies.pop(key, None)
            self._held += body.packed - (replaced.packed if replaced else 0)
            self._bodies[key] = body
            while self._held > MOST:
                _, oldest = self._bodies.popitem(last=False)
                self._held -= oldest.packed

    def keeping(
        self, key: Hashable, pieces: Iterable[bytes], whole: Callable[[], bool], gzip: bool
    ) -> Pieces:
        """The same pieces, or their gzip stream; kept after the last piece if `whole` says so then."""
        stream, packed, size, made = Gzip(), 0, 0, list[bytes]()
        for piece in coalesced(pieces):
            deflated = stream.add(piece)
            size, packed = size + len(piece), packed + len(deflated)
            made.append(deflated)
            if packed > LARGEST:
                made.clear()
            yield deflated if gzip else piece
        made.append(last := stream.end())
        if gzip:
            yield last
        if packed + len(last) <= LARGEST and whole():
            self.put(key, Body(made, packed + len(last), size))


def _each(pieces: Iterable[bytes]) -> Pieces:
    yield from pieces
