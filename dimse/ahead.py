"""Reading ahead: the next instances are read while the peer answers, which hides disk or bucket latency.

Only small instances, a few together, and never more than `_UNDER_WAY` batches, so that memory stays
bounded. An instance that cannot be read is read again, and reported, at its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice

from pacs.errors import PacsError
from pacs.model import StoredInstance
from pacs.ports import BlobReader

READERS = 8
"""Threads of one process that read ahead for all its retrievals."""
SMALL = 1 << 20
"""Bytes of the largest file read ahead, and of a batch; reading a larger one is hidden by sending it."""
_TOGETHER = 16  # instances in a batch, as each hand-over wakes a thread
_UNDER_WAY = 8

Open = Callable[[StoredInstance], BlobReader]
Ahead = tuple[StoredInstance, bytes | None]
"""An instance, and its verified data set if that was read ahead."""


def read_ahead(instances: Iterable[StoredInstance], open_blob: Open, readers: Executor) -> Generator[Ahead]:
    """`instances` in their order."""
    batches = _batches(instances)
    reading: deque[tuple[list[StoredInstance], Future[list[bytes | None]]]] = deque()

    def begin(number: int) -> None:
        for batch in islice(batches, number):
            reading.append((batch, readers.submit(_read, batch, open_blob)))

    begin(_UNDER_WAY)
    try:
        while reading:
            batch, data_sets = reading.popleft()
            begin(1)
            yield from zip(batch, data_sets.result(), strict=True)
    finally:
        for _, data_sets in reading:
            data_sets.cancel()


def _batches(instances: Iterable[StoredInstance]) -> Iterator[list[StoredInstance]]:
    """The first instance is a batch of its own, so that it is sent at once."""
    batch: list[StoredInstance] = []
    size, room = 0, 1
    for instance in instances:
        if batch and (len(batch) == room or size + instance.blob.size > SMALL):
            yield batch
            batch, size, room = [], 0, _TOGETHER
        batch.append(instance)
        size += instance.blob.size
    if batch:
        yield batch


def _read(batch: list[StoredInstance], open_blob: Open) -> list[bytes | None]:
    return [_data_set(instance, open_blob) if instance.blob.size <= SMALL else None for instance in batch]


def _data_set(instance: StoredInstance, open_blob: Open) -> bytes | None:
    try:
        with open_blob(instance) as reader:
            return b"".join(reader.verified(instance.dataset_offset))
    except PacsError:
        return None
