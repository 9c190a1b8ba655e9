"""What a sender sends again heals what the disk has lost, whatever file header it comes with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from pacs.actor import Actor
from pacs.dicom.part10 import part10_prefix
from pacs.model import Outcome, Stored
from storage.accounts import organizations
from storage.blobs import BlobStore
from storage.database import Database
from storage.upkeep.verify import Verification
from tests.storage.blobs.worlds import content_of, damage
from tests.storage.received import CT_IMAGE, EXPLICIT_LITTLE_ENDIAN, MODALITY, uid
from tests.storage.shelf import LATER, Shelf, shelf_of
from tests.storage.world import actions, assert_counts_true, rows


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    numbers = (group, element, len(value))
    first, second, length = (number.to_bytes(2, "little") for number in numbers)
    return first + second + vr + length + value


def _uid(element: int, value: str, group: int = 0x0008) -> bytes:
    return _element(group, element, b"UI", value.encode())


DATASET = b"".join(
    (
        _uid(0x0016, CT_IMAGE),
        _uid(0x0018, uid(1, 1, 1)),
        _element(0x0010, 0x0020, b"LO", b"P1"),
        _uid(0x000D, uid(1), 0x0020),
        _uid(0x000E, uid(1, 1), 0x0020),
    )
)
PREFIX = part10_prefix(CT_IMAGE, uid(1, 1, 1), EXPLICIT_LITTLE_ENDIAN)
FILE = PREFIX + DATASET
SOURCE = _element(0x0002, 0x0016, b"AE", b"ANOTHER")
LENGTH = slice(140, 144)  # of the group of meta information
OTHER_HEADER = b"".join(
    (
        PREFIX[: LENGTH.start],
        (int.from_bytes(PREFIX[LENGTH], "little") + len(SOURCE)).to_bytes(4, "little"),
        PREFIX[LENGTH.stop :],
        SOURCE,
        DATASET,
    )
)


@pytest.fixture
def shelf(database: Database, blobs: BlobStore) -> Iterator[Shelf]:
    with shelf_of(database, blobs) as opened:
        yield opened


def store(shelf: Shelf, file: bytes, actor: Actor = MODALITY) -> Stored:
    return shelf.archive.store_file(actor, [file])


def served(shelf: Shelf) -> bytes:
    """What a retrieval gives."""
    (found,) = shelf.archive.index.retrieve(1, uid(1), None, None)
    content = content_of(shelf.blobs, found.blob)
    assert content[found.dataset_offset :] == DATASET
    return content


def flip(shelf: Shelf, stored: Stored, file: bytes) -> None:
    damage(shelf.blobs, stored.blob, file[:-1] + bytes([file[-1] ^ 1]))


def assert_well(shelf: Shelf) -> None:
    assert list(Verification(shelf.database, shelf.blobs).run()) == []
    assert_counts_true(shelf.database)


def test_the_same_file_again_heals_a_flipped_byte(shelf: Shelf) -> None:
    flip(shelf, store(shelf, FILE), FILE)
    assert store(shelf, FILE).outcome is Outcome.DUPLICATE
    assert served(shelf) == FILE
    assert_well(shelf)


def test_the_same_data_set_under_another_header_heals_a_flipped_byte(shelf: Shelf) -> None:
    first = store(shelf, FILE)
    flip(shelf, first, FILE)
    again = store(shelf, OTHER_HEADER)
    assert again.outcome is Outcome.DUPLICATE
    assert served(shelf) == OTHER_HEADER
    assert "store.healed" in actions(shelf.database)
    assert_well(shelf)
    # The bytes that are no good wait for the sweep, and nothing else does.
    assert shelf.sweep(LATER).run().removed == 1
    assert first.blob.address not in shelf.states()
    assert served(shelf) == OTHER_HEADER
    assert_well(shelf)


def test_a_blob_that_is_gone_is_replaced_likewise(shelf: Shelf) -> None:
    shelf.blobs.delete([store(shelf, FILE).blob.address])
    store(shelf, OTHER_HEADER)
    assert served(shelf) == OTHER_HEADER
    assert len(rows(shelf.database, "SELECT n FROM versions")) == 1
    assert_counts_true(shelf.database)


def test_a_damaged_replacement_is_replaced_in_turn(shelf: Shelf) -> None:
    flip(shelf, store(shelf, FILE), FILE)
    flip(shelf, store(shelf, OTHER_HEADER), OTHER_HEADER)
    assert store(shelf, FILE).outcome is Outcome.DUPLICATE
    assert served(shelf) == FILE
    shelf.sweep(LATER).run()
    assert_well(shelf)


def test_what_is_well_stays_as_it_was_first_sent(shelf: Shelf) -> None:
    store(shelf, FILE)
    assert store(shelf, OTHER_HEADER).outcome is Outcome.DUPLICATE
    assert served(shelf) == FILE
    assert "store.healed" not in actions(shelf.database)
    assert_well(shelf)


def test_others_who_refer_to_the_damaged_bytes_keep_their_reference(shelf: Shelf) -> None:
    """The same bytes in another organisation are theirs to heal; the sweep leaves them alone."""
    other = organizations.add(shelf.database, MODALITY, "other", "Other").id
    first = store(shelf, FILE)
    store(shelf, FILE, replace(MODALITY, organization=other))
    flip(shelf, first, FILE)
    store(shelf, OTHER_HEADER)
    assert served(shelf) == OTHER_HEADER
    shelf.sweep(LATER).run()
    with shelf.database.read() as connection:
        found = connection.execute(text("SELECT blob FROM versions WHERE org_id <> 1")).scalars().all()
    assert found == [first.blob.address]
    assert_counts_true(shelf.database)
    (finding,) = Verification(shelf.database, shelf.blobs).run()
    assert finding.subject == first.blob.address
