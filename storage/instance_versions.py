"""The versions of instances, as one transaction reads and writes them.

Those of an instance are read when they are first needed. What is appended or replaced is written at the end,
for all instances together.
"""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select

from pacs.model import Blob, Received, VersionKey
from storage.feeds import Transaction
from storage.rows import Row
from storage.statements import rows, run
from storage.tables import blobs, versions

_OF_INSTANCE = (
    select(versions.c.dataset_digest, versions.c.transfer_syntax, blobs.c.address, blobs.c.size)
    .join(blobs)
    .where(versions.c.instance_pk == bindparam("instance"))
    .order_by(versions.c.n)
)
_INSERT = insert(versions)
_REMOVE = delete(versions).where(
    versions.c.instance_pk == bindparam("pk"), versions.c.n == bindparam("number")
)

_DataSet = tuple[str, str]
"""Digest and transfer syntax: with another one, the same bytes mean something else."""


class InstanceVersions:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._known: dict[int, list[tuple[_DataSet, Blob]]] = {}
        self._new: dict[VersionKey, Row] = {}
        self._replaced: list[Row] = []

    def begin(self, pk: int) -> None:
        """Call for a new instance: it has no versions, so none are looked up."""
        self._known[pk] = []

    def find(self, pk: int, item: Received) -> tuple[VersionKey, Blob] | None:
        """The version with the data set of `item` in the same transfer syntax, under any file header."""
        for n, (data_set, blob) in enumerate(self._of(pk), 1):
            if data_set == _data_set(item):
                return (pk, n), blob
        return None

    def append(self, pk: int, item: Received) -> VersionKey:
        known = self._of(pk)
        known.append((_data_set(item), item.blob))
        version = pk, len(known)
        self._new[version] = self._row(version, item)
        return version

    def replace(self, version: VersionKey, item: Received) -> Blob:
        """Give the version the received blob; returns the one that it had."""
        pk, n = version
        known = self._of(pk)
        data_set, lost = known[n - 1]
        known[n - 1] = data_set, item.blob
        self._replaced.append({"pk": pk, "number": n})
        self._new[version] = self._row(version, item)
        return lost

    def write(self) -> None:
        if self._replaced:
            run(self._transaction.connection, _REMOVE, self._replaced)
        if self._new:
            run(self._transaction.connection, _INSERT, [*self._new.values()])

    def _of(self, pk: int) -> list[tuple[_DataSet, Blob]]:
        """In the order of their numbers, this transaction's included."""
        if (known := self._known.get(pk)) is None:
            found = rows(self._transaction.connection, _OF_INSTANCE, {"instance": pk})
            known = [((digest, syntax), Blob(address, size)) for digest, syntax, address, size in found]
            self._known[pk] = known
        return known

    def _row(self, version: VersionKey, item: Received) -> Row:
        pk, n = version
        return {
            "instance_pk": pk,
            "n": n,
            "org_id": item.actor.organization,
            "blob": item.blob.address,
            "dataset_digest": item.dataset_digest,
            "dataset_offset": item.dataset_offset,
            "transfer_syntax": item.transfer_syntax,
            "frames": item.frames,
            "received_at": self._transaction.now,
            "source_kind": item.actor.kind,
            "source_name": item.actor.name,
            "correlation_id": item.actor.correlation_id,
        }


def _data_set(item: Received) -> _DataSet:
    return item.dataset_digest, item.transfer_syntax
