"""Instances read before their turn comes: the peer's answer is no time to wait for a disk or a bucket.

Small ones only, a few together, and never more than `_UNDER_WAY` batches: memory stays bounded
whatever is retrieved. What cannot be read is found out again, and told, when its turn comes.
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
"""Threads of a process that read ahead, for all its retrievals together."""
SMALL = 1 << 20
"""Bytes of the largest file that is read ahead, and of a batch; sending larger ones hides their reading."""
_TOGETHER = 16  # instances of a batch at most: each hand-over wakes a thread
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
    """The first instance is alone, so that it can leave soon."""
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
