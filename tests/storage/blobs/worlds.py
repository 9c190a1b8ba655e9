"""What tests of blobs do again and again."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import obstore
import pytest
from blake3 import blake3

from pacs.model import Blob
from storage.blobs import BlobStore, LocalBlobs, S3Blobs
from storage.blobs.address import key
from tests.servers import S3_BUCKET


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


@contextmanager
def unremovable(blobs: BlobStore, blob: Blob) -> Iterator[None]:
    """As in a folder that another user has restored from a backup, or in a bucket for adding only."""
    name = key(blob.address)
    if isinstance(blobs, S3Blobs):
        config = blobs._store.config
        client = boto3.client(
            "s3",
            endpoint_url=config["endpoint"],
            region_name=config["region"],
            aws_access_key_id=config["access_key_id"],
            aws_secret_access_key=config["secret_access_key"],
        )
        refusal = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:DeleteObject",
            "Resource": f"arn:aws:s3:::{S3_BUCKET}/{blobs._store.prefix}/{name}",
        }
        policy = {"Version": "2012-10-17", "Statement": [refusal]}
        client.put_bucket_policy(Bucket=S3_BUCKET, Policy=json.dumps(policy))
        yield
        client.delete_bucket_policy(Bucket=S3_BUCKET)
        return
    unlink = os.unlink

    def unlinked(path: str | Path) -> None:
        if str(path).endswith(name):
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.unlink", unlinked)
        yield
