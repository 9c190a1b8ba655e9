"""Store requests whose instances are sent as metadata and bulk data (PS3.18 §10.5.2, §8.6.1.2).

Nothing is stored before the whole request has arrived, since bulk data follows the metadata that refers
to it. Bulk data is spooled to disk; metadata, which is bounded, stays in memory. Each instance is then
written into the archive as a PS3.10 file.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

from dicomweb.native_model_reader import from_xml
from dicomweb.store.bulk_parts import BulkParts
from dicomweb.store.completion import complete
from dicomweb.store.file_sink import kept
from dicomweb.store.media_type import MediaType, media_type
from dicomweb.store.report import Refused, Result
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.dicom.from_json import PIXEL_DATA, Payload, encode_json
from pacs.dicom.part10 import part10_prefix
from pacs.errors import BadInput, InvalidDataSet, LimitExceeded, MissingIdentity, PacsError
from pacs.http.intake import Intake, IntakePool, Sink, feed
from pacs.http.multipart_reader import MAX_PARTS, MultipartReader, PartBegins
from pacs.ingest import is_uid

DataSet = dict[str, Any]

MAX_METADATA = 64 << 20
"""Bytes of the metadata of one request."""
MAX_VALUES = 2_000_000
"""Objects and arrays of JSON in it: the smallest have two bytes, and take hundreds in memory."""
MAX_INSTANCES = MAX_PARTS
"""Data sets in it."""
_SOP_CLASS, _SOP_INSTANCE = "00080016", "00080018"


def _from_json(data: bytes) -> list[DataSet]:
    try:
        found = orjson.loads(data.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidDataSet("the metadata is not well-formed JSON") from error
    return found if isinstance(found, list) else [found]


READERS: dict[str, Callable[[bytes], list[DataSet]]] = {
    "application/dicom+json": _from_json,
    "application/json": _from_json,
    "application/dicom+xml": lambda data: [from_xml(data)],
}
"""The media types of metadata."""


class _Allowance:
    """What is left for the metadata of one request, over all its parts."""

    def __init__(self) -> None:
        self._bytes, self._values = MAX_METADATA, MAX_VALUES

    def spend(self, data: bytes) -> None:
        self._bytes -= len(data)
        self._values -= data.count(b"{") + data.count(b"[")
        if self._bytes < 0:
            raise LimitExceeded(f"the metadata has more than {MAX_METADATA} bytes")
        if self._values < 0:
            raise LimitExceeded(f"the metadata has more than {MAX_VALUES} objects and arrays")


class _MetadataSink(Sink):
    """Collects one part of metadata, whose result is its data sets."""

    def __init__(self, kind: str, allowance: _Allowance) -> None:
        self._read = READERS[kind]
        self._allowance = allowance
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        self._allowance.spend(data)
        self._data += data

    def finish(self) -> list[DataSet]:
        return self._read(bytes(self._data))

    def close(self) -> None:
        self._data.clear()


@dataclass(frozen=True, slots=True)
class Task:
    """One request: `kind` of its metadata; `study` when its path names one."""

    archive: Archive
    sender: Actor
    study: str
    kind: str


async def take_in(request: Request, reader: MultipartReader, task: Task, pool: IntakePool) -> list[Result]:
    """`BadInput` when the metadata cannot be read; nothing is stored then."""
    with task.archive.blobs.spool() as spool:
        parts, allowance = BulkParts(spool), _Allowance()

        def sink(part: PartBegins) -> Sink:
            return _sink(part, task.kind, parts, allowance)

        async with Intake(pool, finishing=1) as arriving:
            await feed(request, reader, arriving, sink)
            data_sets = list(_read(await arriving.results()))
        await pool.run(parts.flush)
        async with Intake(pool) as making:
            for data_set in data_sets:
                making.begin(_InstanceSink(data_set, parts, task))
                await making.end()
            return await making.results()


def _sink(part: PartBegins, root_type: str, parts: BulkParts, allowance: _Allowance) -> Sink:
    """A part is metadata by its media type, or when it has neither a type nor a Content-Location."""
    location = part.headers.get("content-location", "")
    kind = media_type(part.headers.get("content-type", ""))
    if kind.name in READERS and not location:
        return _MetadataSink(kind.name, allowance)
    if not kind.name and not location:
        return _MetadataSink(root_type, allowance)
    return parts.sink(location, kind if kind.name else MediaType("application/octet-stream"))


def _read(results: Iterable[Any]) -> Iterator[DataSet]:
    """The data sets of all metadata parts; raises the first error."""
    left = MAX_INSTANCES
    for result in results:
        if isinstance(result, PacsError):
            raise result
        left -= len(result or ())
        if left < 0:
            raise LimitExceeded(f"there are more than {MAX_INSTANCES} instances")
        for data_set in result or ():
            if not isinstance(data_set, Mapping):
                raise BadInput("the metadata must be a list of data sets")
            yield {tag.upper(): attribute for tag, attribute in data_set.items()}


class _InstanceSink(Sink):
    """Sink of one instance, which it writes from metadata when it is finished."""

    def __init__(self, data_set: DataSet, parts: BulkParts, task: Task) -> None:
        self._data_set, self._parts, self._task = data_set, parts, task
        self._uids = _uid(data_set, _SOP_CLASS), _uid(data_set, _SOP_INSTANCE)

    def write(self, data: bytes) -> None:
        raise AssertionError("this sink gets no data")

    def finish(self) -> Result:
        if not all(self._uids):
            raise MissingIdentity
        found = complete(self._data_set, self._parts.by_location)
        pixels = _uri(found.data_set) if found.pixels else None

        def find(uri: str) -> Payload:
            return found.pixels if found.pixels and uri == pixels else self._parts.find(uri)

        task = self._task
        with task.archive.receive_file(task.sender, task.study) as receiving:
            receiving.write(part10_prefix(*self._uids, found.transfer_syntax))
            for piece in encode_json(found.data_set, find, found.frames, task.archive.limits):
                receiving.write(piece)
            return kept(receiving.commit())

    def refused(self, error: PacsError) -> Result:
        return Refused(error, *self._uids)


def _uid(data_set: DataSet, tag: str) -> str:
    """Empty when absent or malformed."""
    match data_set.get(tag):
        case {"Value": [str(text), *_]} if is_uid(text):
            return text
    return ""


def _uri(data_set: Mapping[str, Any]) -> str:
    return str(data_set[PIXEL_DATA]["BulkDataURI"])
