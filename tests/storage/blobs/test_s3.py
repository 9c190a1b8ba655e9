from __future__ import annotations

import base64
import hashlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest

from pacs.errors import Unavailable
from storage.blobs import S3Access, S3Blobs, SpoolLimits
from storage.blobs.address import key
from storage.blobs.s3 import PART
from tests.servers import S3_BUCKET
from tests.storage.blobs.worlds import blob_of, publish


@pytest.fixture
def s3(s3_url: str, s3_access: S3Access, tmp_path: Path) -> Iterator[S3Blobs]:
    opened = S3Blobs(s3_url, tmp_path / "spool", s3_access, SpoolLimits(reserve=0))
    yield opened
    opened.close()


class Scripted(ThreadingHTTPServer):
    """Answers each PUT with the next status of `script`; keeps what it was told and sent."""

    def __init__(self, *script: int) -> None:
        self.script = list(script)
        self.puts: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), ScriptedAnswer)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()


class ScriptedAnswer(BaseHTTPRequestHandler):
    server: Scripted

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.puts.append((self.headers["x-amz-checksum-sha256"], body))
        self.send_response(self.server.script.pop(0))
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[[Scripted], S3Blobs]:
    def connect(server: Scripted) -> S3Blobs:
        access = S3Access(f"http://127.0.0.1:{server.server_port}", "us-east-1", "tests", "tests-secret")
        return S3Blobs("s3://bucket", tmp_path / "spool", access, SpoolLimits(reserve=0))

    return connect


def test_the_store_is_told_the_checksum(scripted: Callable[[Scripted], S3Blobs]) -> None:
    with Scripted(200) as server:
        publish(scripted(server), b"content")
    ((checksum, body),) = server.puts
    assert body == b"content"
    assert base64.b64decode(checksum) == hashlib.sha256(b"content").digest()


def test_a_refused_checksum_is_no_publication(scripted: Callable[[Scripted], S3Blobs]) -> None:
    with Scripted(400) as server, pytest.raises(Unavailable, match="answered 400 Bad Request"):
        publish(scripted(server), b"content")


def test_a_store_that_stumbles_is_asked_again(scripted: Callable[[Scripted], S3Blobs]) -> None:
    with Scripted(503, 500, 200) as server:
        publish(scripted(server), b"content")
    assert [body for _, body in server.puts] == [b"content"] * 3


def test_the_parts_of_a_large_object_carry_checksums_too(
    s3: S3Blobs, s3_url: str, s3_access: S3Access
) -> None:
    blob = publish(s3, random.Random(1).randbytes(PART + 1))
    client = boto3.client(
        "s3",
        endpoint_url=s3_access.endpoint,
        region_name="us-east-1",
        aws_access_key_id="tests",
        aws_secret_access_key="tests-secret",
    )
    name = f"{s3_url.rsplit('/', 1)[1]}/{key(blob.address)}"
    answer = client.head_object(Bucket=S3_BUCKET, Key=name, ChecksumMode="ENABLED")
    assert answer["ContentLength"] == PART + 1
    assert answer["ChecksumSHA256"]


def test_a_store_that_does_not_answer_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.blobs.s3._RETRY", {"max_retries": 1})
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # never listens
        endpoint = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        access = S3Access(endpoint, "us-east-1", "tests", "tests-secret")
        s3 = S3Blobs("s3://bucket", tmp_path / "spool", access, SpoolLimits(reserve=0))
        blob = blob_of(b"x")
        with pytest.raises(Unavailable, match="the object store does not answer"):
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


def test_a_link_leads_to_the_store_where_others_reach_it(
    s3_url: str, s3_access: S3Access, tmp_path: Path
) -> None:
    public = replace(s3_access, public_endpoint=s3_access.endpoint)
    s3 = S3Blobs(s3_url, tmp_path / "spool", public, SpoolLimits(reserve=0))
    blob = publish(s3, b"content")
    link = s3.link(blob.address, 300)
    assert link is not None and link.startswith(f"{s3_access.endpoint}/")
    said = parse_qs(urlsplit(link).query)
    assert said["X-Amz-Expires"] == ["300"] and said["X-Amz-Signature"]
    assert httpx.get(link).content == b"content"
    s3.close()


def test_no_link_leads_to_a_store_that_others_do_not_reach(s3: S3Blobs) -> None:
    assert s3.link(publish(s3, b"content").address, 300) is None


def test_a_bucket_that_is_not_there_is_unavailable(tmp_path: Path, s3_access: S3Access) -> None:
    s3 = S3Blobs("s3://no-such-bucket", tmp_path / "spool", s3_access, SpoolLimits(reserve=0))
    with pytest.raises(Unavailable):
        publish(s3, b"x")
    with pytest.raises(Unavailable, match="answered 404 Not Found"):
        s3.ready()
    s3.close()
