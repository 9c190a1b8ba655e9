"""Errors of the archive as DIMSE statuses (PS3.7 Annex C): the only reader of `dimse_status`."""

from __future__ import annotations

from typing import Any

from pacs.errors import InvalidQuery, PacsError

SUCCESS = 0x0000
PENDING = 0xFF00
PENDING_UNSUPPORTED_KEYS = 0xFF01
CANCEL = 0xFE00
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
NOT_AUTHORIZED = 0x0124
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211

STOPPING = "the archive is being stopped"
"""Error Comment of what is answered with less than was asked for, as the server stops."""


def is_warning(status: int) -> bool:
    """PS3.7 Annex C.4."""
    return status in (0x0001, 0x0107, 0x0116) or status & 0xF000 == 0xB000


def elements_of(error: BaseException) -> dict[str, Any]:
    """Status and Error Comment of a response; without a comment for an unexpected exception."""
    if isinstance(error, PacsError):
        elements = {"Status": error.dimse_status, "ErrorComment": str(error)}
        if isinstance(error, InvalidQuery) and error.offending is not None:
            elements["OffendingElement"] = [error.offending]
        return elements
    return {"Status": PROCESSING_FAILURE, "ErrorComment": "Internal error."}
