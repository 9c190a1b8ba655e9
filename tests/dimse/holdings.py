"""An archive in memory that answers queries and gives instances out, for the query and retrieve services."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pacs.actor import Actor
from pacs.dicom.part10 import part10_prefix, read_part10
from pacs.dicom.source import BytesSource
from pacs.errors import Damaged
from pacs.model import Blob, Identity, StoredInstance, Values
from pacs.search.query import OneOf, Query

CT, MR, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.88.11"
EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


class Reader:
    def __init__(self, data: bytes, damaged: bool, damaged_late: bool) -> None:
        self._data = data
        self._damaged = damaged
        self._damaged_late = damaged_late

    @property
    def size(self) -> int:
        return len(self._data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        yield self._data[start:end]

    def verified(self, start: int = 0) -> Iterator[bytes]:
        if self._damaged:
            raise Damaged
        return self._checked(start) if self._damaged_late else self.chunks(start)

    def verify(self) -> None:
        if self._damaged:
            raise Damaged

    def _checked(self, start: int) -> Iterator[bytes]:
        """As of a blob too large to be read twice: the fault shows before the last piece."""
        yield bytes(1 << 20)
        yield self._data[start:]
        raise Damaged

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._data = b""


@dataclass
class Held:
    instance: StoredInstance
    file: bytes
    patient_id: str = "P1"
    damaged: bool = False
    damaged_late: bool = False

    @property
    def data_set(self) -> bytes:
        return self.file[self.instance.dataset_offset :]

    def is_selected(self, query: Query) -> bool:
        of = self.instance.identity
        have = {
            "PatientID": self.patient_id,
            "StudyInstanceUID": of.study_instance_uid,
            "SeriesInstanceUID": of.series_instance_uid,
            "SOPInstanceUID": of.sop_instance_uid,
        }
        return all(
            isinstance(condition.test, OneOf) and have[condition.attribute.keyword] in condition.test.values
            for condition in query.conditions
        )


@dataclass
class Holdings:
    """`answers`: what `find` gives, whatever was asked."""

    held: list[Held] = field(default_factory=list)
    answers: list[Values] = field(default_factory=list)
    asked: list[Query] = field(default_factory=list)
    records: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def find(self, actor: Actor, query: Query) -> Iterator[Values]:
        self.asked.append(query)
        yield from self.answers

    def locate(self, actor: Actor, query: Query) -> Iterator[StoredInstance]:
        self.asked.append(query)
        return (held.instance for held in self.held if held.is_selected(query))

    def open(self, instance: StoredInstance) -> Reader:
        held = next(held for held in self.held if held.instance == instance)
        return Reader(held.file, held.damaged, held.damaged_late)

    def record(
        self, actor: Actor, action: str, outcome: str = "success", resource: str = "", **details: Any
    ) -> None:
        self.records.append((action, outcome, details))

    def add(self, data_set: bytes, syntax: str, identity: Identity, **more: Any) -> Held:
        file = part10_prefix(identity.sop_class_uid, identity.sop_instance_uid, syntax) + data_set
        offset = len(file) - len(data_set)
        blob = Blob(f"blake3:{len(self.held):064x}", len(file))
        self.held.append(Held(StoredInstance(identity, syntax, blob, offset), file, **more))
        return self.held[-1]

    def add_image(
        self,
        sop_class: str = CT,
        study: str = "1.2",
        series: str = "1.2.1",
        syntax: str = EXPLICIT,
        **more: Any,
    ) -> Held:
        """A small image; a compressed `syntax` must be one that pydicom encodes."""
        dataset = image(sop_class, study, series)
        if syntax not in (EXPLICIT, IMPLICIT, BIG):
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.compress(syntax, generate_instance_uid=False)
        identity = Identity(sop_class, dataset.SOPInstanceUID, series, study)
        return self.add(bare(dataset, syntax), syntax, identity, **more)


def image(sop_class: str, study: str, series: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Test^Patient", "P1", "OT"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    noise = np.random.default_rng(3).integers(0, 4096, (64, 64))
    dataset.add_new(0x7FE00010, "OW", noise.astype("<u2").tobytes())
    return dataset


def bare(dataset: Dataset, syntax: str) -> bytes:
    """The data set without a file around it."""
    stream = io.BytesIO()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dcmwrite(stream, dataset, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG)
    file = stream.getvalue()
    return file[read_part10(BytesSource(file)).dataset_offset :]
