"""Sinks for the parts of a store request: a PS3.10 file, or a part that is refused."""

from __future__ import annotations

from contextlib import ExitStack

from dicomweb.store.report import Kept, Refused, Result
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.errors import PacsError
from pacs.model import Outcome

OTHER_VERSION = "Another data set of this UID is current; kept as a version"


class FileSink:
    """Stores a PS3.10 file. An error becomes the part's result, and the rest of the part is dropped."""

    def __init__(self, archive: Archive, sender: Actor, study: str) -> None:
        self._receiving = archive.receive_file(sender, study)
        self._undo = ExitStack()
        self._undo.enter_context(self._receiving)
        self._refused: Refused | None = None

    @property
    def refused(self) -> bool:
        return self._refused is not None

    def write(self, data: bytes) -> None:
        if self._refused is None:
            try:
                self._receiving.write(data)
            except PacsError as error:
                self._refuse(error)

    def finish(self) -> Result:
        with self._undo:
            if self._refused is None:
                try:
                    stored = self._receiving.commit()
                except PacsError as error:
                    self._refuse(error)
                else:
                    warning = OTHER_VERSION if stored.outcome is Outcome.VERSION else ""
                    return Kept(stored.identity, warning)
        assert self._refused is not None
        return self._refused

    def abandon(self) -> None:
        self._undo.close()

    def _refuse(self, error: PacsError) -> None:
        self._refused = Refused(error, *self._receiving.sop_uids)
        self._undo.close()


class RefusingSink:
    """Drops a part whose kind is refused, whatever its content."""

    refused = True

    def __init__(self, error: PacsError) -> None:
        self._error = error

    def write(self, data: bytes) -> None:
        pass

    def finish(self) -> Result:
        return Refused(self._error)

    def abandon(self) -> None:
        pass
