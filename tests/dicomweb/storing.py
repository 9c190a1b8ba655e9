"""An archive of its own behind the store resources, and bodies to send to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from starlette.routing import Mount
from starlette.testclient import TestClient

from dicomweb.app import ROOT
from dicomweb.store import stow
from pacs.archive import Archive
from pacs.http.app import App, create_app
from storage.blobs import BlobStore, SpoolLimits, open_blobs
from storage.database import Database
from tests.conformance.senders import small_ct
from tests.storage.world import archive_of, rows
from tests.waiting import eventually

STUDIES = f"{ROOT}/studies"
RETRIEVE_URL, FAILED, REFERENCED, OTHER = "00081190", "00081198", "00081199", "0008119A"


@dataclass
class Storing:
    archive: Archive
    database: Database
    app: App
    client: TestClient
    folder: Path

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in rows(self.database, statement)]

    def instances(self) -> int:
        return int(self.sql("SELECT count(*) FROM instances")[0][0])

    def audited(self, count: int) -> list[tuple[Any, ...]]:
        """Action, outcome, correlation id and details of so many records, which come behind the answer."""
        deadline = time.monotonic() + 60
        while True:
            found = self.sql("SELECT action, outcome, correlation_id, details FROM audit ORDER BY seq")
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def spool_empties(self) -> bool:
        """Whether no file stays in the spool, which is tidied behind the answer."""
        spool = self.folder / "spool"
        eventually("the spool is empty", lambda: not any(path.is_file() for path in spool.rglob("*")))
        return True

    def post(self, body: bytes, boundary: str = "b", path: str = "", **headers: str) -> Any:
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        return self.client.post(STUDIES + path, content=body, headers={"Content-Type": kind, **headers})


@contextmanager
def storing(database: Database, folder: Path, max_object: int = 1 << 30) -> Iterator[Storing]:
    blobs: BlobStore = open_blobs(None, folder, None, SpoolLimits(reserve=0, max_object=max_object))
    try:
        with archive_of(database, blobs) as archive:
            app = create_app({}, {}, [Mount(ROOT, routes=stow.resources(archive, ROOT))])
            with TestClient(app, base_url="http://testserver") as client:
                yield Storing(archive, database, app, client, folder)
    finally:
        blobs.close()


def part10(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def ct(study: str = "1.2.3", change: Callable[[Dataset], None] = lambda ds: None, **kw: Any) -> Dataset:
    ds = small_ct(study, f"{study}.1", **kw)
    change(ds)
    return ds


def multipart(
    parts: Sequence[bytes], kind: str | None = "application/dicom", newline: bytes = b"\r\n"
) -> bytes:
    head = b"--b" + newline + (f"Content-Type: {kind}".encode() + newline if kind else b"") + newline
    return b"".join(head + part + newline for part in parts) + b"--b--" + newline
