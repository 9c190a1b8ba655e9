"""The retrieve resources over a whole small archive, for callers of two organisations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.testclient import TestClient

from dicomweb import all_bulkdata, bulkdata, frames, metadata, pixel_data, retrieve
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.http.app import Access, create_app
from pacs.http.authentication import Caller
from pacs.metadata import Metadata
from pacs.model import AuditRecord, Identity, Stored
from pacs.pixels.decode import DECODABLE, decode
from pacs.pixels.transcode import ENCODABLE, encode_frame
from pacs.rights import Right
from pacs.transcoding import Codecs, Transcoder
from storage.accounts.organizations import add
from storage.blobs import SpoolLimits, open_blobs
from storage.database import Database
from storage.prepared import SqlVersions
from tests.storage.world import archive_of, rows

OURS = Actor(1, "user", "reader", "127.0.0.1", "0123456789abcdef")
TRANSCODER = Transcoder(Codecs(DECODABLE, decode, ENCODABLE, encode_frame))
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass
class World:
    """`theirs`: an actor of another organisation."""

    database: Database
    archive: Archive
    client: TestClient
    theirs: Actor
    folder: Path

    def store(self, data: bytes, actor: Actor = OURS) -> Stored:
        return self.archive.store_file(actor, iter((data,)))

    def get(self, path: str, accept: str | None = None, **headers: str) -> httpx.Response:
        """`accept`: None sends no such header at all."""
        request = self.client.build_request("GET", f"/dicom-web{path}", headers=headers)
        del request.headers["accept"]
        if accept is not None:
            request.headers["accept"] = accept
        answer: httpx.Response = self.client.send(request)
        return answer

    def audited(self) -> list[dict[str, Any]]:
        self.archive.audit.record(AuditRecord(OURS, "flush", "success"))  # what was noted goes with it
        return rows(self.database, "SELECT * FROM audit WHERE action = 'retrieve' ORDER BY seq")


@contextmanager
def retrieving(database: Database, folder: Path) -> Iterator[World]:
    theirs = Actor(add(database, OURS, "other", "Other").id, "user", "stranger", "127.0.0.1", "1" * 16)
    blobs = open_blobs(None, folder, None, SpoolLimits(reserve=0))

    def caller(connection: HTTPConnection) -> Caller:
        return Caller(theirs if "x-theirs" in connection.headers else OURS, frozenset(Right))

    with archive_of(database, blobs) as archive:
        prepared = Metadata(archive, SqlVersions(database))
        resources = [
            *retrieve.resources(archive, TRANSCODER, "/dicom-web"),
            *frames.resources(archive, TRANSCODER),
            *metadata.resources(prepared, "/dicom-web"),
            *all_bulkdata.resources(archive, "/dicom-web"),
            *bulkdata.resources(archive, TRANSCODER, "/dicom-web"),
            *pixel_data.resources(archive, TRANSCODER, "/dicom-web"),
        ]
        app = create_app({}, {}, [Mount("/dicom-web", routes=resources)], Access(caller))
        yield World(database, archive, TestClient(app, raise_server_exceptions=False), theirs, folder)
    blobs.close()


def path_to(identity: Identity, level: int = 3) -> str:
    parts = (
        ("studies", identity.study_instance_uid),
        ("series", identity.series_instance_uid),
        ("instances", identity.sop_instance_uid),
    )
    return "".join(f"/{name}/{uid}" for name, uid in parts[:level])


def image(
    number: int = 1, syntax: str = ExplicitVRLittleEndian, frames: Sequence[bytes] = (), **changes: Any
) -> bytes:
    """A file of eight-bit frames of 4 by 6 pixels; `words`: its pixel data is OW."""
    given = frames or [bytes(range(24))]
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = UID(SECONDARY_CAPTURE), UID(f"1.2.3.1.1.{number}")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID("1.2.3.1"), UID("1.2.3.1.1")
    ds.PatientID, ds.PatientName, ds.Modality, ds.InstanceNumber = "P1", "Doe^Jane", "OT", number
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 4, 6, 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation, ds.NumberOfFrames = 7, 0, len(given)
    words = changes.pop("words", changes.get("BitsAllocated", 8) > 8)
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    if UID(syntax).is_compressed and not UID(syntax).is_deflated:
        ds.PixelData = encapsulate(list(given))
        ds["PixelData"].VR = "OB"
    else:
        ds.PixelData = b"".join(given)
        ds["PixelData"].VR = "OW" if words else "OB"
    return written(ds, syntax)


def written(ds: Dataset, syntax: str) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def parts(answer: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """Headers, their names in lower case, and body of each part; every byte accounted for."""
    kind, _, rest = answer.headers["content-type"].partition(";")
    assert kind == "multipart/related"
    boundary = rest.rpartition("boundary=")[2].strip('"').encode()
    body = b"\r\n" + answer.content
    first, *middle, last = body.split(b"\r\n--" + boundary)
    assert first == b""
    assert last == b"--\r\n"
    found = []
    for part in middle:
        head, blank, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        assert blank
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        found.append(({name.lower(): value for name, value in headers.items()}, content))
    return found


def uris(value: Any) -> Iterator[str]:
    """All that metadata names, however deep."""
    if isinstance(value, dict):
        if "BulkDataURI" in value:
            yield value["BulkDataURI"]
        for inner in value.values():
            yield from uris(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from uris(inner)
