"""Modalities that push, each remembering what was acknowledged; and who asks for it with pynetdicom."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from bench.wire import Association
from tests import reactor

reactor.mend()  # also where no conftest is: the soak


def small_ct(study: str, series: str, patient: str = "CRASH", side: int = 64) -> Dataset:
    """A CT slice of `side`² random pixels: no two share a blob."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.PatientID, ds.PatientName, ds.Modality = patient, "Crash^Test", "CT"
    ds.StudyDate, ds.StudyTime = "20260102", "030405"
    ds.Rows = ds.Columns = side
    ds.InstanceNumber = 1
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 15, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = os.urandom(side * side * 2)
    return ds


def wire_bytes(ds: Dataset) -> bytes:
    """The data set in Implicit VR Little Endian."""
    stream = DicomBytesIO()
    stream.is_little_endian = stream.is_implicit_VR = True
    write_dataset(stream, ds)
    return bytes(stream.getvalue())


def digest(ds: Dataset) -> str:
    return hashlib.sha256(bytes(ds.PixelData)).hexdigest()


@dataclass
class Modality:
    """Sends slices of one series, on a plain socket: it sees at once when the server is gone."""

    port: int
    study: str
    patient: str = "CRASH"
    series: str = field(default_factory=generate_uid)
    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    side: int = 64
    pause: float = 0
    """Seconds between two slices of `run`."""

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; a server that dies is called again."""
        while not stop.is_set():
            try:
                with self._associate() as association:
                    while not stop.is_set():
                        self._send(association, self._slice())
                        stop.wait(self.pause)
            except OSError:
                stop.wait(0.05)

    def send(self, count: int) -> None:
        """Exactly `count` slices over one association."""
        with self._associate() as association:
            for _ in range(count):
                self._send(association, self._slice())

    def send_one(self, ds: Dataset) -> int:
        """The status of one C-STORE."""
        with self._associate() as association:
            return self._send(association, ds)

    def _slice(self) -> Dataset:
        return small_ct(self.study, self.series, self.patient, self.side)

    def _associate(self) -> Association:
        return Association(("127.0.0.1", self.port), "PACS", CTImageStorage)

    def _send(self, association: Association, ds: Dataset) -> int:
        status = association.store(ds.SOPInstanceUID, [wire_bytes(ds)])
        if status == 0x0000:
            self.acknowledged[ds.SOPInstanceUID] = digest(ds)
        else:
            self.refused.append(status)
        return status


def find(port: int, identifier: Dataset) -> list[Dataset]:
    with finding(port) as ask:
        return ask(identifier)


@contextmanager
def finding(port: int) -> Iterator[Callable[[Dataset], list[Dataset]]]:
    """`find`, for many in one association."""
    model = StudyRootQueryRetrieveInformationModelFind
    association = AE(ae_title="ASKER").associate("127.0.0.1", port, [build_context(model)], ae_title="PACS")
    assert association.is_established

    def ask(identifier: Dataset) -> list[Dataset]:
        answers = association.send_c_find(identifier, model)
        return [found for status, found in answers if found is not None and status.Status in (0xFF00, 0xFF01)]

    yield ask
    association.release()


def study_counts(port: int, study: str) -> int:
    """Number of Study Related Instances, as the study row has it."""
    ask = Dataset()
    ask.QueryRetrieveLevel, ask.StudyInstanceUID = "STUDY", study
    ask.NumberOfStudyRelatedInstances = ""
    answers = find(port, ask)
    assert len(answers) == 1, f"{len(answers)} studies of one UID"
    return int(answers[0].NumberOfStudyRelatedInstances)


def instance_uids(port: int, study: str, series: Iterable[str]) -> list[str]:
    uids = []
    for each in series:
        ask = Dataset()
        ask.QueryRetrieveLevel, ask.StudyInstanceUID, ask.SeriesInstanceUID = "IMAGE", study, each
        ask.SOPInstanceUID = ""
        uids += [answer.SOPInstanceUID for answer in find(port, ask)]
    return uids


def get_study(port: int, study: str) -> dict[str, str]:
    """Retrieve by C-GET: SOP Instance UID → digest of the pixels that came."""
    came: dict[str, str] = {}

    def store(event: evt.Event) -> int:
        ds = event.dataset
        came[ds.SOPInstanceUID] = digest(ds)
        return 0x0000

    ae = AE(ae_title="GETTER")
    ae.requested_contexts = [
        build_context(StudyRootQueryRetrieveInformationModelGet),
        build_context(CTImageStorage, ImplicitVRLittleEndian),
    ]
    association = ae.associate(
        "127.0.0.1",
        port,
        ae_title="PACS",
        ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )
    assert association.is_established
    ask = Dataset()
    ask.QueryRetrieveLevel, ask.StudyInstanceUID = "STUDY", study
    final = [status for status, _ in association.send_c_get(ask, StudyRootQueryRetrieveInformationModelGet)][
        -1
    ]
    association.release()
    assert final.Status == 0x0000, f"C-GET ended with {final.Status:04X}"
    return came
