"""Objects in and out over DICOM as their very bytes, with pynetdicom as the peer."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import UID, MediaStorageDirectoryStorage
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (
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
    contexts = [build_context(sop_class, transfer_syntax)]
    association = AE(ae_title="RAWSENDER").associate("127.0.0.1", port, contexts, ae_title="PACS")
    if not association.is_established:
        return None
    status = _store(association, association.accepted_contexts[0], sop_instance, dataset)
    association.release()
    return status


def send_all(port: int, files: Iterable[Sendable]) -> Iterator[tuple[Sendable, int | None]]:
    """`send`, with as few associations as there can be."""
    for group in _groups(files):
        contexts = [build_context(*kind) for kind in {_kind(file): None for file in group}]
        association = AE(ae_title="RAWSENDER").associate("127.0.0.1", port, contexts, ae_title="PACS")
        assert association.is_established
        accepted = {(c.abstract_syntax, c.transfer_syntax[0]): c for c in association.accepted_contexts}
        for file in group:
            context = accepted.get(_kind(file))
            yield file, context and _store(association, context, file.sop_instance, file.dataset)
        association.release()


def _store(
    association: Association, context: PresentationContext, sop_instance: str, dataset: bytes
) -> int | None:
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = context.abstract_syntax, sop_instance
    request.DataSet = io.BytesIO(dataset)
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return None if answer is None else int(answer.Status)


_CONTEXTS = 100
"""Presentation contexts of one association, where PS3.8 allows 128."""


def _kind(file: Sendable) -> tuple[str, str]:
    return file.sop_class, file.transfer_syntax


def _groups(files: Iterable[Sendable]) -> Iterator[list[Sendable]]:
    """Files whose SOP classes and transfer syntaxes have room in one association."""
    group: list[Sendable] = []
    for file in files:
        if len({*map(_kind, group), _kind(file)}) > _CONTEXTS:
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def get_all(port: int, files: Iterable[Sendable]) -> Iterator[tuple[Sendable, list[bytes]]]:
    """Each file, and the data sets that C-GET brings for its SOP Instance UID, as the bytes on the wire."""
    came: list[bytes] = []

    def store(event: evt.Event) -> int:
        came.append(event.request.DataSet.getvalue())
        return 0x0000

    for group in _groups(files):
        kinds = {_kind(file): None for file in group}
        association = AE(ae_title="RAWGETTER").associate(
            "127.0.0.1",
            port,
            [
                build_context(StudyRootQueryRetrieveInformationModelGet),
                *(build_context(*kind) for kind in kinds),
            ],
            ae_title="PACS",
            ext_neg=[build_role(sop_class, scp_role=True) for sop_class in {each for each, _ in kinds}],
            evt_handlers=[(evt.EVT_C_STORE, store)],
        )
        assert association.is_established
        for file in group:
            came.clear()
            *_, (final, _) = association.send_c_get(_asked(file), StudyRootQueryRetrieveInformationModelGet)
            assert final.Status == 0x0000, f"C-GET of {file} ended with {final.Status:04X}"
            yield file, list(came)
        association.release()


def _asked(file: Sendable) -> Dataset:
    header = dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=[0x0020000D, 0x0020000E])
    ask = Dataset()
    ask.QueryRetrieveLevel = "IMAGE"
    ask.StudyInstanceUID, ask.SeriesInstanceUID = header.StudyInstanceUID, header.SeriesInstanceUID
    ask.SOPInstanceUID = file.sop_instance
    return ask
