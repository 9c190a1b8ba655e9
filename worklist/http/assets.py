"""Static files for browsers: read once, compressed once, addressed by a digest of their content.

All of them are below one path that contains a digest of the whole folder. Browsers may cache them for
ever, modules import each other by relative paths, and a new release has a new path: files of different
releases never mix.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from pacs.http.accept import takes_gzip
from pacs.http.conditional import is_known

KEPT_FOR_EVER = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
_PACKABLE = {*MEDIA_TYPES}
_WORTH_PACKING = 1 << 10  # bytes


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    packed: bytes | None
    """The gzipped content, where that is smaller."""
    media_type: str
    digest: str


def asset(name: str, body: bytes) -> Asset:
    suffix = Path(name).suffix
    media_type = MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = None
    if suffix in _PACKABLE and len(body) >= _WORTH_PACKING:
        packed = gzip.compress(body, 9, mtime=0)
    return Asset(body, packed, media_type, hashlib.sha256(body).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Assets:
    digest: str
    files: Mapping[str, Asset]
    """By path below the folder, with slashes."""


def read(folder: Path, made: Mapping[str, bytes] | None = None) -> Assets:
    """`made`: files that are not in the folder, by their path below it."""
    bodies = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    } | dict(made or {})
    whole = hashlib.sha256()
    for name, body in bodies.items():
        whole.update(f"{name}\0{len(body)}\0".encode() + body)
    return Assets(whole.hexdigest()[:16], {name: asset(name, body) for name, body in bodies.items()})


def answer(request: Request, found: Asset, cache: str) -> Response:
    """Compressed where accepted, which is another representation with another entity tag (RFC 9110
    §8.8.3.3); 304 when the browser has it already."""
    headers = {"ETag": f'"{found.digest}"', "Cache-Control": cache, "Vary": "Accept-Encoding"}
    body = found.body
    if found.packed is not None and takes_gzip(request):
        body = found.packed
        headers |= {"ETag": f'"{found.digest}-gzip"', "Content-Encoding": "gzip"}
    if is_known(request, headers["ETag"]):
        headers.pop("Content-Encoding", None)
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers | {"Content-Type": found.media_type})
