"""Objects in and out over DICOM as their very bytes, with pynetdicom as the peer."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import MediaStorageDirectoryStorage
from pynetdicom import AE, _config, build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,
)

_config.STORE_SEND_CHUNKED_DATASET = True  # a path is sent as it lies on disk, undecoded
_config.STORE_RECV_CHUNKED_DATASET = False


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
    sop_class = str(meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID") or "")
    sop_instance = str(meta.get("MediaStorageSOPInstanceUID") or header.get("SOPInstanceUID") or "")
    syntax = str(meta.get("TransferSyntaxUID") or "")
    if not (sop_class and sop_instance and syntax) or sop_class == MediaStorageDirectoryStorage:
        return None
    return Sendable(path, sop_class, sop_instance, syntax, stream.getvalue()[offset:])


def send(port: int, file: Sendable) -> int | None:
    """The status of the C-STORE; None when the association died."""
    ae = AE(ae_title="RAWSENDER")
    ae.dimse_timeout = 30
    ae.add_requested_context(file.sop_class, file.transfer_syntax)
    association = ae.associate("127.0.0.1", port, ae_title="PACS")
    assert association.is_established
    assert association.accepted_contexts, f"{file.sop_class} in {file.transfer_syntax} was not accepted"
    status = association.send_c_store(file.path)
    association.release()
    return getattr(status, "Status", None)


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
