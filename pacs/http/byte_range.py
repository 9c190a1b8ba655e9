"""`Range` requests (RFC 9110 §14): resuming a download, seeking in a video."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import RangeNotSatisfiable
from pacs.http.streaming import Pieces, body_answer

_ONE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to `stop` of `size`; all of them when no range was requested."""

    start: int
    stop: int
    size: int
    partial: bool
    etag: str

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def headers(self) -> dict[str, str]:
        found = {"Accept-Ranges": "bytes", "ETag": self.etag}
        if self.partial:
            found["Content-Range"] = f"bytes {self.start}-{self.stop - 1}/{self.size}"
        return found


def byte_range(request: Request, size: int, etag: str) -> ByteRange:
    """The range that `request` asks of a body of `size` bytes whose entity tag is `etag` (quoted).

    Multiple ranges, another unit, another method than GET and an outdated `If-Range` get the whole
    body, which a server may send. `RangeNotSatisfiable` when the range lies outside of the body.
    """
    whole = ByteRange(0, size, size, False, etag)
    found = _ONE.fullmatch(request.headers.get("range", "")) if request.method == "GET" else None
    if found is None or request.headers.get("if-range", etag) != etag:
        return whole
    first, last = found.groups()
    if not first and not last:
        return whole
    if not first:  # a suffix range: the last N bytes
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < int(first):
            return whole
    if start >= stop:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, stop, size, True, etag)


def ranged_answer(
    request: Request,
    pieces: Callable[[int, int], Pieces],
    size: int,
    media_type: str,
    headers: Mapping[str, str],
    status: int = 200,
) -> Response:
    """What `request` asks of a body of `size` bytes whose entity tag is among the `headers`.

    `pieces`: its bytes from one position up to another. `status`: that of the whole.
    """
    part = byte_range(request, size, headers["ETag"])
    body, sent = pieces(part.start, part.stop), {**headers, **part.headers}
    return body_answer(body, media_type, part.length, 206 if part.partial else status, sent)
