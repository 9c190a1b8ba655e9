"""Objects as the archive would hand them to the index, made of next to nothing."""

from __future__ import annotations

from typing import Any

from blake3 import blake3

from pacs.actor import Actor
from pacs.model import Blob, Identity, Received

MODALITY = Actor(1, "ae", "CT1", "10.0.0.7", "0123456789abcdef")
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def uid(*numbers: int) -> str:
    return ".".join(("1.2.3", *map(str, numbers)))


def digest(text: str) -> str:
    return f"blake3:{blake3(text.encode()).hexdigest()}"


def received(study: int = 1, series: int = 1, instance: int = 1, **changes: Any) -> Received:
    """`content` is what its bytes are told by; other keywords are attributes of the data set."""
    content = str(changes.pop("content", ""))
    header = str(changes.pop("header", ""))
    actor = changes.pop("actor", MODALITY)
    size = changes.pop("size", 1000)
    sop_class = changes.pop("sop_class", CT_IMAGE)
    sop = changes.pop("sop", None) or uid(study, series, instance)
    dataset = f"{study}/{series}/{sop}/{content}"
    values = {
        "PatientID": f"P{study}",
        "PatientName": "Doe^Jane",
        "StudyDate": "20240131",
        "StudyTime": "120000",
        "Modality": "CT",
        "SeriesNumber": str(series),
        "InstanceNumber": str(instance),
        **changes,
    }
    return Received(
        blob=Blob(digest(f"{header}|{dataset}"), size),
        dataset_offset=132,
        dataset_digest=digest(dataset),
        transfer_syntax=EXPLICIT_LITTLE_ENDIAN,
        identity=Identity(sop_class, sop, uid(study, series), uid(study)),
        values={keyword: value for keyword, value in values.items() if value},
        frames=b"frames",
        actor=actor,
    )
