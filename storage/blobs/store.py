"""What `storage` itself asks of a place for blobs, beyond what the archive does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pacs.model import Blob
from pacs.ports import Blobs


@dataclass(frozen=True, slots=True)
class Found:
    """A blob that lies in a store, whether or not the index knows of it."""

    blob: Blob
    modified: datetime


class BlobStore(Blobs, Protocol):
    @property
    def spool_root(self) -> Path:
        """Where every process of this node has its spool folder."""

    def ready(self) -> None:
        """`Unavailable` unless the place is there and answers: one question, whatever it holds."""

    def delete(self, addresses: Iterable[str]) -> None:
        """Remove these; what is not there is no error. Only the sweep calls this."""

    def walk(self, after: str, limit: int) -> list[Found]:
        """The next blobs in the order of their addresses, from the first one behind `after` on.

        An empty `after` begins at the first; fewer than `limit` means that the end was reached.
        """

    def close(self) -> None:
        """Give up the spool; what was not published is lost."""
