"""Recognising the store of this index: the folder below a mount point is empty while its disk is not mounted.

Objects stored there would vanish once the disk is mounted, and those on the disk would be reported as lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from pacs.errors import WrongStore
from pacs.model import Blob
from storage.blobs import BlobStore
from storage.blobs.address import SCHEME
from storage.database import Database
from storage.tables import blobs
from storage.upkeep import mark


def recognise(database: Database, store: BlobStore) -> None:
    """`WrongStore` unless the store has this index's mark, or one of a few objects from all of its addresses.

    An index without objects accepts any store. The mark is enough, because all objects may have been lost.
    """
    if mark.is_there(database, store):
        return
    with database.read() as connection:
        known = list(_some(connection))
    if known and len(store.missing(known)) == len(known):
        raise WrongStore


def _some(connection: Connection) -> Iterator[Blob]:
    """The next object to each of sixteen addresses; several of them may be the same."""
    for first in "0123456789abcdef":
        of_index = blobs.c.state == "live", blobs.c.refcount > 0, blobs.c.address >= SCHEME + first
        found = select(blobs.c.address, blobs.c.size).where(*of_index).order_by(blobs.c.address).limit(1)
        yield from (Blob(row.address, row.size) for row in connection.execute(found))
