"""The protocol of a blob store inside `storage`: `pacs.ports.Blobs` plus what upkeep needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pacs.model import Blob
from pacs.ports import Blobs

Admit = Callable[["BlobStore"], None]
"""Raises `WrongStore` for one that is not the index's (`storage.upkeep.recognition`)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A blob found in a store, whether or not the index refers to it."""

    blob: Blob
    modified: datetime


def any_store(_: BlobStore) -> None:
    """Admits all."""


class BlobStore(Blobs, Protocol):
    @property
    def spool_root(self) -> Path:
        """The parent of the spool folders of all processes of this node."""

    def ready(self) -> None:
        """`Unavailable` unless the store answers; a single request, however much it holds."""

    def delete(self, addresses: Iterable[str]) -> list[str]:
        """Remove these blobs; missing ones are ignored. Returns those that surely stay, as they may not be
        removed. Only the sweep calls this."""

    def walk(self, after: str, limit: int) -> list[Found]:
        """The next blobs after address `after`, in the order of addresses.

        An empty `after` begins at the first; fewer than `limit` blobs mean that the end was reached.
        """

    def mark(self) -> str:
        """What was left last; empty when nothing was."""

    def leave_mark(self, text: str) -> None: ...

    def close(self) -> None:
        """Close the spool; objects that were not published are lost."""
