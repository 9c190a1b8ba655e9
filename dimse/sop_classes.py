"""The SOP classes of storage, query and retrieve (PS3.6 Annex A)."""

from __future__ import annotations

from pydicom._uid_dict import UID_dictionary
from pynetdicom import sop_class

VERIFICATION = "1.2.840.10008.1.1"

# pynetdicom has the current standard, pydicom the retired classes that old modalities still send.
_NOT_OF_A_PATIENT = (
    *sop_class._NON_PATIENT_OBJECT_CLASSES.values(),
    *sop_class._STORAGE_COMMITMENT_CLASSES.values(),
    "1.2.840.10008.1.20.2",  # Storage Commitment Pull Model
    "1.2.840.10008.1.3.10",  # Media Storage Directory Storage
    "1.2.840.10008.5.1.1.27",  # Stored Print Storage
)

STORAGE = (
    frozenset(sop_class._STORAGE_CLASSES.values())
    | {uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and "Storage" in entry[0]}
).difference(_NOT_OF_A_PATIENT)
"""Classes whose instances belong to a patient's study; retired ones too."""

_ROOTS = ("PatientRoot", "StudyRoot", "PatientStudyOnly")


def _query_retrieve(verb: str) -> frozenset[str]:
    return frozenset(sop_class._QR_CLASSES[f"{root}QueryRetrieveInformationModel{verb}"] for root in _ROOTS)


FIND = _query_retrieve("Find")
MOVE = _query_retrieve("Move")
GET = _query_retrieve("Get")


def is_known(uid: str) -> bool:
    """Whether the standard, in the editions of our libraries, defines this UID."""
    return uid in STORAGE or uid in UID_dictionary
