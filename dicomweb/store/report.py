"""The Store Instances Response: the outcome of each instance (PS3.18 §10.5.3 and Annex I.2).

Failure Reasons are the C-STORE statuses of PS3.4 Table B.2-1, which every error carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pacs.errors import PacsError
from pacs.http.dicomweb_urls import instance_url, resource_url
from pacs.model import Identity

COERCED = 0xB000
"""Warning: another data set is current under this SOP Instance UID; this one is kept as a version."""

_RETRIEVE_URL, _FAILED, _REFERENCED, _OTHER = "00081190", "00081198", "00081199", "0008119A"
_SOP_CLASS, _SOP_INSTANCE = "00081150", "00081155"
_FAILURE_REASON, _WARNING_REASON, _ERROR_COMMENT = "00081197", "00081196", "00000902"
_MAX_COMMENT = 64  # LO

TRY_AGAIN = frozenset({503, 507})
"""HTTP statuses after which the same request may succeed later."""

DataSet = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    identity: Identity
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """One refused instance; a UID is empty when unknown."""

    error: PacsError
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


Result = Kept | Refused


def http_status(results: Sequence[Result]) -> int:
    """200: all stored. 202: with warnings or failures. 409, or the common error: nothing stored.

    503 also when none could be stored for temporary reasons, even if these differ.
    """
    refused = [result for result in results if isinstance(result, Refused)]
    if len(refused) < len(results):
        warned = any(isinstance(result, Kept) and result.warning for result in results)
        return 202 if refused or warned else 200
    statuses = {result.error.http_status for result in refused}
    if statuses <= TRY_AGAIN:
        return min(statuses)
    return 413 if statuses == {413} else 409


def data_set(results: Iterable[Result], root: str) -> DataSet:
    """The response in the DICOM JSON Model. `root`: the URL of DICOMweb as the caller sees it."""
    kept, failed, other, studies = [], [], [], {}
    for result in results:
        if isinstance(result, Kept):
            kept.append(_kept(result, root))
            studies[result.identity.study_instance_uid] = True
        elif result.sop_class_uid and result.sop_instance_uid:
            failed.append(_named(result.sop_class_uid, result.sop_instance_uid) | _reason(result.error))
        else:
            other.append(_reason(result.error))
    report: DataSet = {}
    if len(studies) == 1:
        report[_RETRIEVE_URL] = _value("UR", resource_url(root, next(iter(studies))))
    for tag, items in ((_FAILED, failed), (_REFERENCED, kept), (_OTHER, other)):
        if items:
            report[tag] = {"vr": "SQ", "Value": items}
    return report


def _kept(result: Kept, root: str) -> DataSet:
    named = result.identity
    item = _named(named.sop_class_uid, named.sop_instance_uid) | {
        _RETRIEVE_URL: _value("UR", instance_url(root, named))
    }
    if result.warning:
        item[_WARNING_REASON] = _value("US", COERCED)
        item[_ERROR_COMMENT] = _value("LO", result.warning)
    return item


def _named(sop_class_uid: str, sop_instance_uid: str) -> DataSet:
    return {_SOP_CLASS: _value("UI", sop_class_uid), _SOP_INSTANCE: _value("UI", sop_instance_uid)}


def _reason(error: PacsError) -> DataSet:
    return {
        _FAILURE_REASON: _value("US", error.dimse_status),
        _ERROR_COMMENT: _value("LO", str(error)[:_MAX_COMMENT].strip()),
    }


def _value(vr: str, value: str | int) -> DataSet:
    return {"vr": vr, "Value": [value]}
