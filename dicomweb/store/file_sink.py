"""Sinks for the parts of a store request: a PS3.10 file, or a part that is refused."""

from __future__ import annotations

from contextlib import ExitStack

from dicomweb.store.report import Kept, Refused, Result
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.errors import PacsError
from pacs.http.intake import Sink
from pacs.model import Outcome, Stored

OTHER_VERSION = "Another data set of this UID is current; kept as a version"


def kept(stored: Stored) -> Kept:
    return Kept(stored.identity, OTHER_VERSION if stored.outcome is Outcome.VERSION else "")


class FileSink(Sink):
    """Stores a PS3.10 file."""

    def __init__(self, archive: Archive, sender: Actor, study: str) -> None:
        self._receiving = archive.receive_file(sender, study)
        self._undo = ExitStack()
        self._undo.enter_context(self._receiving)

    def write(self, data: bytes) -> None:
        self._receiving.write(data)

    def finish(self) -> Result:
        return kept(self._receiving.commit())

    def refused(self, error: PacsError) -> Result:
        return Refused(error, *self._receiving.sop_uids)

    def close(self) -> None:
        self._undo.close()


class RefusingSink(Sink):
    """Drops a part whose kind is refused, whatever its content."""

    def __init__(self, error: PacsError) -> None:
        self._error = error

    def write(self, data: bytes) -> None:
        raise self._error

    def finish(self) -> Result:
        raise self._error

    def refused(self, error: PacsError) -> Result:
        return Refused(error)
