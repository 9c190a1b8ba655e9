"""One object on its way into the archive: spooled as it arrives, read, made durable, entered into the index.

Law 1: `Receiving.commit` returns only when the blob is durable and its row is committed. Until then nothing
is visible, and leaving the context without it leaves nothing behind.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Self

import structlog

from pacs import ingest
from pacs.actor import Actor
from pacs.dicom.frames import frame_index
from pacs.dicom.part10 import HEAD, Part10, read_part10
from pacs.dicom.reader import Header, Limits, read_header
from pacs.dicom.source import BytesSource
from pacs.errors import BlobVanishing, CutShort, DataSetMismatch, InvalidDataSet, PacsError
from pacs.metrics import RECEIVED_BYTES
from pacs.model import Identity, Prepared, Received, Stored
from pacs.ports import Blobs, Index, SpooledFile
from pacs.prepared import is_short, prepare

log = structlog.get_logger(__name__)

VANISHING_TRIES = 50
VANISHING_PAUSE = 0.1  # seconds; the sweep removes one blob in milliseconds


@dataclass(frozen=True, slots=True)
class Destination:
    """Where received objects go, and the limits that they have to keep.

    `complete_only`: refuse an object that was cut off within its pixel data. Its sender still has the whole
    one, which would become another version beside the cut one, not replace it.
    """

    blobs: Blobs
    index: Index
    limits: Limits
    complete_only: bool


@dataclass(frozen=True, slots=True)
class Announced:
    """What is known of an object before its data set arrives; empty where unknown."""

    transfer_syntax: str
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""


class Receiving:
    """One incoming object. `commit` stores it; leaving the context without `commit` drops it.

    Work that the sender need not wait for, such as preparing metadata, is done when the context is left.
    """

    def __init__(self, destination: Destination, actor: Actor, announced: Announced, prefix: bytes) -> None:
        """`prefix`: the file's bytes before the data set, which `write` is then called with."""
        self._destination = destination
        self._actor = actor
        self._announced = announced
        self.identity: Identity | None = None
        """The UIDs in the data set, once it has been read."""
        self._header: Header | None = None
        self._stored: Stored | None = None
        self._spool: SpooledFile = destination.blobs.spool()
        self._spool.write(prefix)
        self._spool.mark_dataset()

    def write(self, data: bytes | memoryview) -> None:
        """`StorageFull` when the disk is full, `LimitExceeded` when the object is too large."""
        self._spool.write(data)

    def commit(self) -> Stored:
        """When this returns, the object is durable and visible. On any `PacsError` nothing was stored.

        If the same data set is stored already, under any file header, that file stays in place. Its
        bytes are read first: if they are damaged or missing, this object replaces them.
        """
        received = self._read()
        while True:
            stored = self._enter(received)
            if stored.blob == received.blob or self._destination.blobs.holds(stored.blob):
                RECEIVED_BYTES.inc(received.blob.size)
                self._stored = stored
                return stored
            received = replace(received, damaged=received.damaged | {stored.blob.address})

    def _read(self) -> Received:
        """What the index is told about the object, whose bytes are on stable storage from here on."""
        spool, announced = self._spool, self._announced
        self._header = header = read_header(
            spool, announced.transfer_syntax, start=spool.dataset_offset, limits=self._destination.limits
        )
        identity = ingest.identity(header, announced.sop_class_uid, announced.sop_instance_uid)
        self.identity = identity
        if announced.study_instance_uid not in ("", identity.study_instance_uid):
            raise DataSetMismatch("the data set belongs to another study")
        if header.cut_in_pixel_data and self._destination.complete_only:
            raise CutShort
        if header.truncated:
            log.warning("data set ends early, kept as sent", sop_instance_uid=identity.sop_instance_uid)
        values = ingest.values(header)
        frames = frame_index(header, spool)
        blob = spool.seal()
        return Received(
            blob=blob,
            dataset_offset=spool.dataset_offset,
            dataset_digest=spool.dataset_digest,
            transfer_syntax=announced.transfer_syntax,
            identity=identity,
            values=values,
            frames=frames.to_bytes() if frames else None,
            actor=self._actor,
        )

    def _enter(self, received: Received) -> Stored:
        """Law 2: the blob is published before a row names it. The sweep may be removing an older orphan with
        the same bytes; then both steps are repeated."""
        for _ in range(VANISHING_TRIES):
            self._destination.blobs.publish(self._spool)
            try:
                return self._destination.index.store(received)
            except BlobVanishing:
                time.sleep(VANISHING_PAUSE)
        raise BlobVanishing

    def _prepare(self) -> None:
        """Prepare the metadata that viewers ask for. The sender has its answer by now, so a failure here is
        logged and changes nothing: metadata that is missing is made when somebody asks for it."""
        header, stored = self._header, self._stored
        if header is None or stored is None or stored.version is None or not is_short(header):
            return
        try:
            made = Prepared(self._actor.organization, stored.version, prepare(header))
            self._destination.index.prepare(made)
        except Exception as error:
            unexpected = not isinstance(error, PacsError)
            log.warning("metadata not prepared", reason=type(error).__name__, exc_info=unexpected)

    def __enter__(self) -> Self:
        self._spool.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._prepare()
        finally:
            self._spool.__exit__(*exc)


class ReceivingFile:
    """One incoming PS3.10 file. Missing preamble or meta information is tolerated.

    As with `Receiving`, leaving the context without `commit` drops it.
    """

    def __init__(self, destination: Destination, actor: Actor, study_instance_uid: str) -> None:
        """`study_instance_uid`: the study that it must belong to; empty for any."""
        self._destination = destination
        self._actor = actor
        self._study_instance_uid = study_instance_uid
        self._head = bytearray()
        self._part10: Part10 | None = None
        self._receiving: Receiving | None = None
        self._undo = ExitStack()

    @property
    def sop_uids(self) -> tuple[str, str]:
        """SOP Class and SOP Instance UID, empty as long as the bytes received do not contain them."""
        if self._receiving is not None and (identity := self._receiving.identity):
            return identity.sop_class_uid, identity.sop_instance_uid
        if self._part10 is None:
            return "", ""
        return self._part10.media_storage_sop_class, self._part10.media_storage_sop_instance

    def write(self, data: bytes) -> None:
        """As `Receiving.write`; `InvalidDataSet` once it is known that this is no DICOM file."""
        if self._receiving is not None:
            self._receiving.write(data)
            return
        self._head += data
        if len(self._head) >= HEAD:
            self._begin()

    def commit(self) -> Stored:
        """As `Receiving.commit`."""
        return (self._receiving or self._begin()).commit()

    def _begin(self) -> Receiving:
        head, self._head = bytes(self._head), bytearray()
        self._part10 = part10 = read_part10(BytesSource(head), self._destination.limits)
        if part10.is_dicomdir:
            raise InvalidDataSet("a DICOMDIR is a directory, not an instance: send the files it lists")
        announced = Announced(part10.transfer_syntax, study_instance_uid=self._study_instance_uid)
        prefix = head[: part10.dataset_offset]
        receiving = Receiving(self._destination, self._actor, announced, prefix)
        self._receiving = self._undo.enter_context(receiving)
        receiving.write(memoryview(head)[part10.dataset_offset :])
        return receiving

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._undo.close()
