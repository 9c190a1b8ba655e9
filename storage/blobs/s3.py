"""Blobs in an S3-compatible store: one upload per object, whose checksum the store confirms.

Each PUT (each part, above 8 MiB) carries its SHA-256, and the store refuses bytes that do not match
it; `missing` then checks the size within the transaction that refers to the blob. Objects appear
whole or not at all. Requests time out and are retried with back-off before `Unavailable`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from pacs.errors import Damaged, Unavailable
from pacs.model import Blob
from pacs.ports import SpooledFile
from storage.blobs.address import MARK, ROOT, address_at, key
from storage.blobs.reading import Reader, is_whole
from storage.blobs.spool import Spool, SpoolLimits
from storage.blobs.spooled import SpoolFile
from storage.blobs.store import Admit, Found, any_store

PART = 8 << 20
"""Bytes of a part, held in memory; the 10,000 parts that S3 allows make objects of up to 80 GB."""

_READ_AHEAD = 4 << 20
_QUESTIONS = 8  # concurrent size requests
_CLIENT: Any = {"timeout": "30s", "connect_timeout": "5s", "allow_http": True}
_RETRY: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_SIZE_CLIENT: Any = {**_CLIENT, "timeout": "5s", "connect_timeout": "2s"}
_SIZE_RETRY: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
_REMOVAL_CLIENT: Any = {**_CLIENT, "timeout": "10s", "connect_timeout": "2s"}
_REMOVAL_RETRY: Any = {"max_retries": 1, "retry_timeout": timedelta(seconds=2)}
"""What is done within transactions, for whose end SQLite's other writers wait at most 15 seconds."""
_DENIED = "AccessDenied"
"""The store's word for a missing right, or for an object under a lock."""


@dataclass(frozen=True, slots=True)
class S3Access:
    """Fields that are None default to the usual `AWS_…` environment or the machine's role.

    `public_endpoint`: where clients other than this server reach the store; without it there are no links.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    public_endpoint: str | None = None


_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")  # classes of errors take refusals for failures


@contextmanager
def _store_faults() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        answer = _STATUS.search(str(error))
        said = f"answered {answer[1]}" if answer else "does not answer"
        raise Unavailable(f"the object store {said}") from error


class S3Reader(Reader):
    def __init__(self, store: S3Store, address: str) -> None:
        self._store = store
        self._key = key(address)
        self._ahead = memoryview(b"")
        self._ahead_at = 0
        with _store_faults():
            try:
                size = obstore.head(store, self._key)["size"]
            except FileNotFoundError as error:
                raise Damaged(f"{address} is missing") from error
        super().__init__(address, size)

    def read_at(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self._size)
        if offset >= end:
            return b""
        if offset < self._ahead_at or end > self._ahead_at + len(self._ahead):
            self._fetch(offset, end)
        start = offset - self._ahead_at
        return bytes(self._ahead[start : start + end - offset])

    def _fetch(self, offset: int, end: int) -> None:
        """One request for the range; it reads ahead when the range follows the previous one."""
        sequential = offset == self._ahead_at + len(self._ahead)
        stop = min(self._size, max(end, offset + (_READ_AHEAD if sequential else 0)))
        with _store_faults():
            try:
                self._ahead = memoryview(obstore.get_range(self._store, self._key, start=offset, end=stop))
            except FileNotFoundError as error:
                raise Damaged(f"{self._address} is missing") from error
        self._ahead_at = offset
        if len(self._ahead) != stop - offset:
            raise Damaged(f"{self._address} ends at byte {offset + len(self._ahead)}")

    def close(self) -> None:
        self._ahead = memoryview(b"")


def _opened(
    url: str, access: S3Access, endpoint: str | None, client: Any = None, retry: Any = None
) -> S3Store:
    place = urlsplit(url)
    given = {
        "endpoint": endpoint,
        "region": access.region,
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
    }
    config: Any = {name: value for name, value in given.items() if value is not None}
    return S3Store(
        place.netloc,
        prefix=place.path.strip("/") or None,
        checksum_algorithm="SHA256",
        client_options=client or _CLIENT,
        retry_config=retry or _RETRY,
        **config,
    )


class S3Blobs:
    """Implements `BlobStore` on a bucket. Make it after forking: the client has threads of its own."""

    near = False

    def __init__(
        self,
        url: str,
        spool: Path,
        access: S3Access,
        limits: SpoolLimits | None = None,
        admit: Admit = any_store,
    ) -> None:
        """`url`: `s3://bucket/prefix`."""
        self._store = _opened(url, access, access.endpoint)
        self._sizes = _opened(url, access, access.endpoint, _SIZE_CLIENT, _SIZE_RETRY)
        self._removals = _opened(url, access, access.endpoint, _REMOVAL_CLIENT, _REMOVAL_RETRY)
        public = access.public_endpoint
        self._public = _opened(url, access, public) if public is not None else None
        self._admit = partial(admit, self)
        self._spool = Spool(spool, limits or SpoolLimits(), durable=False, admit=self._admit)
        self._asking = ThreadPoolExecutor(_QUESTIONS, thread_name_prefix="s3-size")

    @property
    def spool_root(self) -> Path:
        return self._spool.root

    def spool(self) -> SpoolFile:
        return self._spool.open()

    def publish(self, spooled: SpooledFile) -> Blob:
        assert isinstance(spooled, SpoolFile)
        blob = spooled.seal()
        with _store_faults():
            if blob.size > PART:
                if not self.holds(blob):
                    self._upload(spooled, blob)
            else:
                self._put(spooled, blob)
        return blob

    def open(self, address: str) -> S3Reader:
        try:
            return S3Reader(self._store, address)
        except Damaged:
            self._admit()
            raise

    def link(self, address: str, seconds: int) -> str | None:
        if self._public is None:
            return None
        with _store_faults():
            return obstore.sign(self._public, "GET", key(address), timedelta(seconds=seconds))

    def missing(self, blobs: Iterable[Blob]) -> list[Blob]:
        wanted = list(blobs)
        there = self._asking.map(self._lies_here, wanted)
        return [blob for blob, lies_here in zip(wanted, there, strict=True) if not lies_here]

    def holds(self, blob: Blob) -> bool:
        return self._lies_here(blob) and is_whole(self.open, blob.address)

    def ready(self) -> None:
        """Lists an empty prefix, as asking for one object does not tell a missing bucket from its absence."""
        with _store_faults():
            next(iter(obstore.list(self._store, f"{ROOT}/ready")), None)

    def delete(self, addresses: Iterable[str]) -> list[str]:
        wanted = list(addresses)
        with _store_faults():
            try:
                if wanted:
                    obstore.delete(self._removals, [key(address) for address in wanted])
            except BaseError as error:
                if _DENIED not in str(error):
                    raise
                sizes = self._asking.map(self._size, wanted)  # the error names only one of those denied
                return [address for address, size in zip(wanted, sizes, strict=True) if size is not None]
        return []

    def walk(self, after: str, limit: int) -> list[Found]:
        with _store_faults():
            return list(islice(self._found(after, limit), limit))

    def mark(self) -> str:
        with _store_faults():
            try:
                return bytes(obstore.get(self._store, MARK).bytes()).decode("ascii")
            except FileNotFoundError:
                return ""

    def leave_mark(self, text: str) -> None:
        with _store_faults():
            obstore.put(self._store, MARK, text.encode(), use_multipart=False)

    def close(self) -> None:
        self._asking.shutdown()
        self._spool.close()

    def _put(self, spooled: SpoolFile, blob: Blob) -> None:
        content = spooled.read_at(0, blob.size)
        try:
            obstore.put(self._store, key(blob.address), content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            if not self.holds(blob):
                obstore.put(self._store, key(blob.address), content, use_multipart=False)

    def _upload(self, spooled: SpoolFile, blob: Blob) -> None:
        obstore.put(
            self._store,
            key(blob.address),
            spooled.path,
            use_multipart=True,
            chunk_size=PART,
            max_concurrency=1,
        )

    def _found(self, after: str, limit: int) -> Iterator[Found]:
        offset = key(after) if after else None
        for batch in obstore.list(self._store, ROOT, offset=offset, chunk_size=limit):
            for entry in batch:
                folder, _, name = entry["path"].removeprefix(f"{ROOT}/").partition("/")
                address = address_at(folder, name)
                if address is not None:
                    yield Found(Blob(address, entry["size"]), entry["last_modified"])

    def _lies_here(self, blob: Blob) -> bool:
        return self._size(blob.address) == blob.size

    def _size(self, address: str) -> int | None:
        with _store_faults():
            try:
                return int(obstore.head(self._sizes, key(address))["size"])
            except FileNotFoundError:
                return None
