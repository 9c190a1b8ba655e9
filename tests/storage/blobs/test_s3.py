from __future__ import annotations

import base64
import hashlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from pacs.errors import Unavailable
from storage.blobs import S3Access, S3Blobs, SpoolLimits
from storage.blobs.address import key
from tests.servers import S3_BUCKET
from tests.storage.blobs.worlds import blob_of, publish


@pytest.fixture
def s3(s3_url: str, s3_access: S3Access, tmp_path: Path) -> Iterator[S3Blobs]:
    opened = S3Blobs(s3_url, tmp_path / "spool", s3_access, SpoolLimits(reserve=0))
    yield opened
    opened.close()


@pytest.mark.parametrize("size", [1000, 9 << 20])
def test_the_store_is_told_the_checksum(s3: S3Blobs, s3_url: str, s3_access: S3Access, size: int) -> None:
    content = random.Random(size).randbytes(size)
    blob = publish(s3, content)
    client = boto3.client(
        "s3",
        endpoint_url=s3_access.endpoint,
        region_name="us-east-1",
        aws_access_key_id="tests",
        aws_secret_access_key="tests-secret",
    )
    name = f"{s3_url.rsplit('/', 1)[1]}/{key(blob.address)}"
    answer = client.head_object(Bucket=S3_BUCKET, Key=name, ChecksumMode="ENABLED")
    assert answer["ContentLength"] == size
    if size == 1000:
        assert base64.b64decode(answer["ChecksumSHA256"]) == hashlib.sha256(content).digest()
    else:
        assert answer["ChecksumSHA256"]  # of the parts' checksums


def test_a_store_that_does_not_answer_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.blobs.s3._RETRY", {"max_retries": 1})
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # never listens
        endpoint = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        access = S3Access(endpoint, "us-east-1", "tests", "tests-secret")
        s3 = S3Blobs("s3://bucket", tmp_path / "spool", access, SpoolLimits(reserve=0))
        blob = blob_of(b"x")
        with pytest.raises(Unavailable):
            publish(s3, b"x")
        with pytest.raises(Unavailable):
            s3.open(blob.address)
        with pytest.raises(Unavailable):
            s3.missing([blob])
        with pytest.raises(Unavailable):
            s3.walk("", 1)
        with pytest.raises(Unavailable):
            s3.delete([blob.address])
        s3.close()


def test_a_bucket_that_is_not_there_is_unavailable(tmp_path: Path, s3_access: S3Access) -> None:
    s3 = S3Blobs("s3://no-such-bucket", tmp_path / "spool", s3_access, SpoolLimits(reserve=0))
    with pytest.raises(Unavailable):
        publish(s3, b"x")
    s3.close()
