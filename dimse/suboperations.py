"""C-STORE sub-operations of C-MOVE and C-GET: one engine, two ways to send (PS3.4 §C.4.2, §C.4.3).

Every selected instance is counted exactly once, whatever its outcome; a failure does not stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import structlog

from dimse.ahead import Ahead
from dimse.command import Command
from dimse.operation import Cancelled, Operation, Stopping
from dimse.selection import Selection
from dimse.status import CANCEL, PENDING, PROCESSING_FAILURE, STOPPING, SUCCESS, is_warning
from pacs.actor import Actor
from pacs.dicom.writer import encode_dataset
from pacs.errors import PacsError, Unavailable
from pacs.model import StoredInstance
from pacs.ports import BlobReader
from pacs.search.query import Query

log = structlog.get_logger(__name__)

UNABLE_TO_COUNT = 0xA701
UNABLE_TO_PERFORM = 0xA702
WITH_FAILURES = 0xB000
FAILED_SOP_INSTANCE_UID_LIST = 0x00080058

MAX_SUBOPERATIONS = 0xFFFF
"""The largest value of a response's 16-bit counters (PS3.7 Table 9.1-4)."""
PENDING_EVERY = 0.1
"""Seconds between pending responses. They are optional (PS3.4 §C.4.2.3.1) and serve a waiting user; each
costs the archive and the peer as much as an instance does."""


PATIENCE = 3
"""Instances in a row that cannot be sent now before the rest is given up: each has cost a long wait."""


class RetrieveArchive(Protocol):
    """What of `pacs.archive.Archive` retrieval needs."""

    def locate(self, actor: Actor, query: Query) -> Iterable[StoredInstance]: ...

    def open(self, instance: StoredInstance) -> BlobReader: ...

    def record(
        self, actor: Actor, action: str, outcome: str = "success", resource: str = "", **details: Any
    ) -> None: ...


class NothingMore(Exception):
    """No further instance can be sent, and why."""


class DestinationLost(NothingMore):
    """The destination takes no more."""


Send = Callable[[StoredInstance, bytes | None], Command]
"""Sends one instance, whose data set may have been read ahead, and returns the peer's response.
`PacsError`: this one cannot be sent; `DestinationLost`: nor can any other; `Cancelled`: while it was sent."""


@dataclass(slots=True)
class Progress:
    """The counters of PS3.7 §9.1.4.1, and the UIDs of what failed."""

    remaining: int = 0
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)
    reason: str = ""
    """Why the last of them failed."""

    def count(self, instance: StoredInstance, status: int, reason: str = "") -> None:
        self.remaining -= 1
        if status == SUCCESS:
            self.completed += 1
        elif is_warning(status):
            self.warning += 1
        else:
            self.failed.append(instance.identity.sop_instance_uid)
            self.reason = reason or f"the receiver answered with status {status:04X}"

    def elements(self, with_remaining: bool) -> dict[str, Any]:
        """The elements of a response; only pending and cancelled ones have Remaining (PS3.4 §C.4.2.1.6)."""
        counters = {
            "NumberOfCompletedSuboperations": self.completed,
            "NumberOfFailedSuboperations": len(self.failed),
            "NumberOfWarningSuboperations": self.warning,
        }
        return {"NumberOfRemainingSuboperations": self.remaining} | counters if with_remaining else counters

    @property
    def status(self) -> int:
        """The status of the final response unless cancelled (PS3.4 Tables C.4-2 and C.4-3)."""
        if self.failed and not self.completed and not self.warning:
            return UNABLE_TO_PERFORM
        return WITH_FAILURES if self.failed or self.warning else SUCCESS


def located(
    operation: Operation, archive: RetrieveArchive, selection: Selection
) -> list[StoredInstance] | None:
    """The selected instances; None when they cannot be counted, which has been answered."""

    def all_at_once() -> Iterator[list[StoredInstance]]:
        yield list(islice(archive.locate(operation.actor, selection.query), MAX_SUBOPERATIONS + 1))

    try:
        [found] = operation.apart(all_at_once())
    except Stopping:
        operation.respond(UNABLE_TO_COUNT, ErrorComment=STOPPING)
        return None
    if len(found) <= MAX_SUBOPERATIONS:
        return found
    operation.respond(UNABLE_TO_COUNT, ErrorComment=f"more than {MAX_SUBOPERATIONS} instances at once")
    return None


@contextmanager
def recorded(
    operation: Operation, archive: RetrieveArchive, selection: Selection, destination: str
) -> Iterator[Progress]:
    """Audits the retrieval, however it ends."""
    progress = Progress()
    try:
        yield progress
    finally:
        archive.record(
            operation.actor,
            "retrieve",
            "success" if progress.status == SUCCESS and not progress.remaining else "failure",
            selection.uids[0],
            level=str(selection.level),
            entities=len(selection.uids),
            destination=destination,
            completed=progress.completed + progress.warning,
            failed=len(progress.failed),
            remaining=progress.remaining,
        )


def perform(
    operation: Operation,
    instances: Sequence[StoredInstance],
    ahead: Generator[Ahead],
    send: Send,
    progress: Progress,
) -> None:
    """Send all instances, with pending responses at times and a final one."""
    progress.remaining = len(instances)
    try:
        with closing(ahead):
            _send_all(operation, ahead, send, progress)
    except Cancelled:
        _finish(operation, CANCEL, progress)
    except (NothingMore, Stopping) as end:
        reason = STOPPING if operation.stop.ending.is_set else str(end)
        log.warning("retrieval ended early", detail=reason, remaining=progress.remaining)
        for instance in instances[-progress.remaining :]:
            progress.count(instance, PROCESSING_FAILURE, reason)
        _finish(operation, progress.status, progress)
    else:
        _finish(operation, progress.status, progress)


def _send_all(operation: Operation, ahead: Iterable[Ahead], send: Send, progress: Progress) -> None:
    due, away = 0.0, 0
    for instance, data_set in ahead:
        operation.go_on()
        try:
            response = send(instance, data_set)
            status, reason, away = response.status, str(response.get("ErrorComment", "")), 0
        except PacsError as error:
            uid, kind = instance.identity.sop_instance_uid, type(error).__name__
            log.warning("sub-operation failed", sop_instance_uid=uid, error=kind, detail=str(error))
            status, reason = PROCESSING_FAILURE, str(error)
            away = away + 1 if isinstance(error, Unavailable) else 0
            if away == PATIENCE:
                raise NothingMore(str(error)) from error
        progress.count(instance, status, reason)
        if time.monotonic() >= due:
            operation.respond(PENDING, **progress.elements(with_remaining=True))
            due = time.monotonic() + PENDING_EVERY


def _finish(operation: Operation, status: int, progress: Progress) -> None:
    identifier = None
    elements = progress.elements(with_remaining=status == CANCEL)
    if progress.failed:
        uids = (FAILED_SOP_INSTANCE_UID_LIST, "UI", progress.failed)
        identifier = encode_dataset((uids,), operation.context.transfer_syntax)
        elements["ErrorComment"] = progress.reason
    operation.respond(status, identifier, **elements)
