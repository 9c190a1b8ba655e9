"""What tests of blobs do again and again."""

from __future__ import annotations

import obstore
from blake3 import blake3

from pacs.model import Blob
from storage.blobs import BlobStore, LocalBlobs, S3Blobs
from storage.blobs.address import key


def blob_of(content: bytes) -> Blob:
    return Blob("blake3:" + blake3(content).hexdigest(), len(content))


def publish(blobs: BlobStore, content: bytes) -> Blob:
    with blobs.spool() as spooled:
        spooled.write(content)
        return blobs.publish(spooled)


def content_of(blobs: BlobStore, blob: Blob) -> bytes:
    with blobs.open(blob.address) as reader:
        return b"".join(reader.chunks())


def damage(blobs: BlobStore, blob: Blob, content: bytes) -> None:
    """Put other bytes where a blob lies, behind the store's back."""
    if isinstance(blobs, LocalBlobs):
        path = blobs.spool_root.parent / key(blob.address)
        path.unlink()
        path.write_bytes(content)
    else:
        assert isinstance(blobs, S3Blobs)
        obstore.put(blobs._store, key(blob.address), content)
