"""C-ECHO, the Verification service class (PS3.4 Annex A, PS3.7 §9.1.5)."""

from __future__ import annotations

from dimse.command import CommandField
from dimse.operation import Operation, Service
from dimse.sop_classes import VERIFICATION
from dimse.status import SUCCESS


def serve(operation: Operation) -> None:
    operation.respond(SUCCESS)


SERVICE = Service(CommandField.C_ECHO_RQ, "echo", frozenset({VERIFICATION}), serve)
