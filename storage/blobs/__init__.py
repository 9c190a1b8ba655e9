"""Blobs: immutable, content-addressed bytes, in a local folder or an S3-compatible store.

An object arrives in a `spool`, as a `spooled` file; `store` is the protocol of the two stores, `local` and
`s3`. `address` names a blob, `reading` verifies it, `verified_files` remembers that. `faults` is what disks
do.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.blobs.local import LocalBlobs
from storage.blobs.s3 import S3Access, S3Blobs
from storage.blobs.spool import SpoolLimits
from storage.blobs.store import Admit, BlobStore, Found, any_store

__all__ = [
    "BlobStore",
    "Found",
    "LocalBlobs",
    "S3Access",
    "S3Blobs",
    "SpoolLimits",
    "any_store",
    "open_blobs",
]


def open_blobs(
    url: str | None,
    data: Path,
    s3: S3Access | None = None,
    limits: SpoolLimits | None = None,
    admit: Admit = any_store,
) -> BlobStore:
    """The store that `url` names: `s3://bucket/prefix`, `file:///folder`, None for the data folder.

    `admit` is asked before anything is stored, and when an object is missing.
    """
    if url is None:
        return LocalBlobs(data, limits, admit)
    place = urlsplit(url)
    if place.scheme == "file" and place.netloc in ("", "localhost"):
        folder = Path(unquote(place.path))
        with suppress(OSError):  # a folder that cannot be made is one that is not ready
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        return LocalBlobs(folder, limits, admit)
    if place.scheme == "s3" and place.netloc:
        return S3Blobs(url, data / "spool", s3 or S3Access(), limits, admit)
    raise ValueError(f"blobs are kept at s3:// or file:///, not at {place.scheme}://{place.netloc}")
