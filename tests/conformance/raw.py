"""Objects in and out over DICOM as their very bytes, with pynetdicom as the peer."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import UID, MediaStorageDirectoryStorage
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,
)


@dataclass(frozen=True)
class Sendable:
    """A PS3.10 file that names everything a sender must announce."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    dataset: bytes = field(repr=False)


def sendable(path: Path) -> Sendable | None:
    """None when a sender could not send this: no file meta information, no identity, or a DICOMDIR."""
    stream = io.BytesIO(path.read_bytes())
    try:
        read_preamble(stream, force=False)
        meta = _read_file_meta_info(stream)
        offset = stream.tell()
        header = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
    except Exception:
        return None
    sop_class = str(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    sop_instance = str(header.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID") or "")
    syntax = str(meta.get("TransferSyntaxUID") or "")
    if not all(UID(uid).is_valid for uid in (sop_class, sop_instance, syntax)):
        return None
    if sop_class == MediaStorageDirectoryStorage:
        return None
    return Sendable(path, sop_class, sop_instance, syntax, stream.getvalue()[offset:])


def send(port: int, file: Sendable) -> int | None:
    return send_bytes(port, (file.sop_class, file.sop_instance, file.transfer_syntax), file.dataset)


def send_bytes(port: int, announced: tuple[str, str, str], dataset: bytes) -> int | None:
    """The status of a C-STORE of these very bytes; None when no context was accepted or no answer came.

    `announced`: SOP class, SOP instance, transfer syntax.
    """
    sop_class, sop_instance, transfer_syntax = announced
    ae = AE(ae_title="RAWSENDER")
    ae.dimse_timeout = 60
    ae.add_requested_context(sop_class, transfer_syntax)
    association = ae.associate("127.0.0.1", port, ae_title="PACS")
    if not association.is_established:
        return None
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, sop_instance
    request.DataSet = io.BytesIO(dataset)
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    return None if answer is None else int(answer.Status)


def get(port: int, file: Sendable) -> list[bytes]:
    """Data sets that C-GET brings for the file's SOP Instance UID, as the bytes on the wire."""
    came: list[bytes] = []

    def store(event: evt.Event) -> int:
        came.append(event.request.DataSet.getvalue())
        return 0x0000

    header = dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=[0x0020000D, 0x0020000E])
    ask = Dataset()
    ask.QueryRetrieveLevel = "IMAGE"
    ask.StudyInstanceUID, ask.SeriesInstanceUID = header.StudyInstanceUID, header.SeriesInstanceUID
    ask.SOPInstanceUID = file.sop_instance
    ae = AE(ae_title="RAWGETTER")
    ae.requested_contexts = [
        build_context(StudyRootQueryRetrieveInformationModelGet),
        build_context(file.sop_class, file.transfer_syntax),
    ]
    association = ae.associate(
        "127.0.0.1",
        port,
        ae_title="PACS",
        ext_neg=[build_role(file.sop_class, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )
    assert association.is_established
    final = [status for status, _ in association.send_c_get(ask, StudyRootQueryRetrieveInformationModelGet)][
        -1
    ]
    association.release()
    assert final.Status == 0x0000, f"C-GET ended with {final.Status:04X}"
    return came
