"""Reference counts of blobs; an unreferenced blob waits for the sweep.

The first reference to a blob checks that it still exists, after its row was claimed: between publication
and claim the sweep may have removed the same bytes as an old orphan (`storage.upkeep.sweep`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, case, update

from pacs.model import Blob
from storage import clock
from storage.statements import run, scalar
from storage.tables import blobs
from storage.upsert import INSERT

Missing = Callable[[Iterable[Blob]], list[Blob]]
"""`pacs.ports.Blobs.missing`."""


@cache
def _refer(dialect: str) -> Any:
    """Returns no row for a blob that the sweep is removing."""
    new = INSERT[dialect](blobs)
    return new.on_conflict_do_update(
        index_elements=["address"],
        set_={"refcount": blobs.c.refcount + new.excluded.refcount, "unreferenced_since": None},
        where=blobs.c.state == "live",
    ).returning(blobs.c.refcount)


@cache
def _spare(dialect: str) -> Any:
    new = INSERT[dialect](blobs).values(unreferenced_since=clock.now(dialect))
    return new.on_conflict_do_nothing(index_elements=["address"])


def give_up(connection: Connection, address: str, count: int) -> None:
    """Remove `count` references; after the last one the blob waits for the sweep."""
    left = blobs.c.refcount - count
    since = case((left == 0, clock.now(connection.dialect.name)), else_=None)
    given_up = update(blobs).where(blobs.c.address == address)
    connection.execute(given_up.values(refcount=left, unreferenced_since=since))


class References:
    """The references that one transaction adds and removes."""

    def __init__(self, missing: Missing) -> None:
        self._missing = missing
        self._added: dict[str, tuple[int, int]] = {}  # address → size, references
        self._spare: dict[str, int] = {}  # address → size
        self._given_up: Counter[str] = Counter()

    def add(self, blob: Blob) -> None:
        _, count = self._added.get(blob.address, (0, 0))
        self._added[blob.address] = (blob.size, count + 1)

    def spare(self, blob: Blob) -> None:
        """A published blob that nothing will refer to."""
        self._spare[blob.address] = blob.size

    def give_up(self, blob: Blob) -> None:
        self._given_up[blob.address] += 1

    def gone(self, blob: Blob) -> bool:
        """Whether a referenced blob is missing or incomplete."""
        return bool(self._missing([blob]))

    def write(self, connection: Connection) -> set[str]:
        """Returns the addresses that cannot be referenced as the sweep is removing or has removed them."""
        dialect = connection.dialect.name
        vanishing = set()
        first: list[Blob] = []
        for address in sorted(self._added.keys() | self._spare.keys() | self._given_up.keys()):
            row: dict[str, Any] = {"address": address, "state": "live"}
            if address in self._added:
                size, count = self._added[address]
                row |= {"size": size, "refcount": count, "unreferenced_since": None}
                references = scalar(connection, _refer(dialect), row)
                if references is None:
                    vanishing.add(address)
                elif references == count:
                    first.append(Blob(address, size))
            elif address in self._spare:
                row |= {"size": self._spare[address], "refcount": 0}
                run(connection, _spare(dialect), [row])
            if count := self._given_up[address]:
                give_up(connection, address, count)
        return vanishing | {blob.address for blob in self._missing(first)}
