"""Modalities that push: pynetdicom associations, each remembering what was acknowledged."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)


def small_ct(study: str, series: str, patient: str = "CRASH", side: int = 64) -> Dataset:
    """A CT slice of `side`² random pixels: no two share a blob."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
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


def digest(ds: Dataset) -> str:
    return hashlib.sha256(bytes(ds.PixelData)).hexdigest()


@dataclass
class Modality:
    """Sends slices of one series until told to stop; survives a server that dies."""

    port: int
    study: str
    patient: str = "CRASH"
    series: str = field(default_factory=generate_uid)
    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    side: int = 64

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            association = self._associate()
            while association.is_established and not stop.is_set():
                self._send(association)
            if association.is_established:
                association.release()
            else:
                stop.wait(0.1)

    def send(self, count: int) -> None:
        """Exactly `count` slices over one association."""
        association = self._associate()
        assert association.is_established
        for _ in range(count):
            self._send(association)
        association.release()

    def send_one(self, ds: Dataset) -> int:
        """The status of one C-STORE."""
        association = self._associate()
        assert association.is_established
        status = int(association.send_c_store(ds).Status)
        association.release()
        return status

    def _associate(self):  # type: ignore[no-untyped-def]
        ae = AE(ae_title=f"CT{self.series[-8:]}")
        ae.acse_timeout = ae.network_timeout = ae.connection_timeout = 10
        ae.dimse_timeout = 60
        ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        return ae.associate("127.0.0.1", self.port, ae_title="PACS")

    def _send(self, association) -> None:  # type: ignore[no-untyped-def]
        ds = small_ct(self.study, self.series, self.patient, self.side)
        try:
            answer = association.send_c_store(ds)
        except (RuntimeError, ValueError, OSError):
            return
        if "Status" not in answer:
            return
        if answer.Status == 0x0000:
            self.acknowledged[ds.SOPInstanceUID] = digest(ds)
        else:
            self.refused.append(answer.Status)


def find(port: int, identifier: Dataset) -> list[Dataset]:
    ae = AE(ae_title="ASKER")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = ae.associate("127.0.0.1", port, ae_title="PACS")
    assert association.is_established
    answers = [
        found
        for status, found in association.send_c_find(identifier, StudyRootQueryRetrieveInformationModelFind)
        if found is not None and status.Status in (0xFF00, 0xFF01)
    ]
    association.release()
    return answers


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
        build_context(CTImageStorage, ExplicitVRLittleEndian),
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
