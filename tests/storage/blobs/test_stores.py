"""What every store of blobs does alike; each test runs on a folder and on an S3-compatible store."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pacs.errors import Damaged
from pacs.model import Blob
from storage.blobs import BlobStore
from storage.blobs.reading import PIECE
from tests.storage.blobs.worlds import blob_of, content_of, damage, publish, unremovable

LARGE = random.Random(2).randbytes(9 << 20)  # more than one part of an upload


@pytest.mark.parametrize("content", [b"", b"x", LARGE[:300_000], LARGE], ids=len)
def test_what_was_published_is_read_back(blobs: BlobStore, content: bytes) -> None:
    blob = publish(blobs, content)
    assert blob == blob_of(content)
    assert content_of(blobs, blob) == content
    with blobs.open(blob.address) as reader:
        assert reader.size == len(content)
        assert b"".join(reader.verified()) == content


def test_the_same_bytes_twice_are_one_blob(blobs: BlobStore) -> None:
    for content in (b"the same", LARGE):
        assert publish(blobs, content) == publish(blobs, content)
    assert len(blobs.walk("", 10)) == 2


def test_a_publication_can_be_repeated_while_the_file_is_open(blobs: BlobStore) -> None:
    with blobs.spool() as spooled:
        spooled.write(b"again")
        blob = blobs.publish(spooled)
        blobs.delete([blob.address])
        assert blobs.missing([blob]) == [blob]
        assert blobs.publish(spooled) == blob
    assert content_of(blobs, blob) == b"again"


def test_many_publish_the_same_at_once(blobs: BlobStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        published = set(pool.map(lambda _: publish(blobs, b"all of us"), range(24)))
    (blob,) = published
    assert content_of(blobs, blob) == b"all of us"


def test_publishing_heals_a_blob_of_the_wrong_size(blobs: BlobStore) -> None:
    for content in (b"whole", LARGE):
        blob = publish(blobs, content)
        damage(blobs, blob, content[:-1])
        assert blobs.missing([blob]) == [blob]
        publish(blobs, content)
        assert blobs.missing([blob]) == []
        assert content_of(blobs, blob) == content


def test_ranges_are_those_asked_for(blobs: BlobStore) -> None:
    blob = publish(blobs, LARGE)
    draw = random.Random(7)
    with blobs.open(blob.address) as reader:
        for _ in range(40):
            start = draw.randrange(len(LARGE))
            length = draw.choice([1, 100, 5000, 2 << 20])
            assert reader.read_at(start, length) == LARGE[start : start + length]
        end = draw.randrange(start, len(LARGE))
        pieces = list(reader.chunks(start, end))
        assert b"".join(pieces) == LARGE[start:end]
        assert max(map(len, pieces)) <= PIECE
        assert reader.read_at(len(LARGE), 10) == b""


def test_verified_bytes_from_a_place_on(blobs: BlobStore) -> None:
    blob = publish(blobs, LARGE)
    with blobs.open(blob.address) as reader:
        for start in (0, 1, PIECE - 1, PIECE, PIECE + 1, len(LARGE) - 1, len(LARGE)):
            assert b"".join(reader.verified(start)) == LARGE[start:]


def test_a_range_beyond_the_end_is_damage(blobs: BlobStore) -> None:
    blob = publish(blobs, b"short")
    with blobs.open(blob.address) as reader, pytest.raises(Damaged):
        list(reader.chunks(2, 6))


@pytest.mark.parametrize("size", [1, 1000, PIECE + 1, len(LARGE)])
def test_a_flipped_byte_is_never_wholly_handed_out(blobs: BlobStore, size: int) -> None:
    content = LARGE[:size]
    blob = publish(blobs, content)
    damage(blobs, blob, content[:-1] + bytes([content[-1] ^ 1]))
    handed_out = 0
    with blobs.open(blob.address) as reader, pytest.raises(Damaged):
        for piece in reader.verified():
            handed_out += len(piece)
    assert handed_out < size
    assert handed_out == 0 or size > PIECE


@pytest.mark.parametrize("size", [10, PIECE])
def test_what_parts_are_read_of_can_be_proven_first(blobs: BlobStore, size: int) -> None:
    content = LARGE[:size]
    blob = publish(blobs, content)
    with blobs.open(blob.address) as reader:
        reader.verify()
        assert reader.read_at(3, 4) == content[3:7]
    damage(blobs, blob, content[:-1] + bytes([content[-1] ^ 1]))
    with blobs.open(blob.address) as reader, pytest.raises(Damaged):
        reader.verify()


def test_what_is_not_there_is_damage(blobs: BlobStore) -> None:
    absent = blob_of(b"absent")
    assert blobs.missing([absent]) == [absent]
    blobs.delete([absent.address])
    with pytest.raises(Damaged):
        blobs.open(absent.address)


def test_the_walk_sees_each_blob_once_in_order(blobs: BlobStore) -> None:
    published = sorted((publish(blobs, b"%d" % n) for n in range(25)), key=lambda blob: blob.address)
    seen: list[Blob] = []
    after, batch = "", blobs.walk("", 10)
    while batch:
        assert len(batch) <= 10
        seen += [found.blob for found in batch]
        assert all(abs(datetime.now(UTC) - found.modified) < timedelta(minutes=1) for found in batch)
        after = seen[-1].address
        batch = blobs.walk(after, 10)
    assert seen == published


def test_deleted_blobs_are_gone_and_the_others_stay(blobs: BlobStore) -> None:
    gone, stays = publish(blobs, b"gone"), publish(blobs, b"stays")
    blobs.delete([gone.address, blob_of(b"never there").address])
    assert blobs.missing([gone, stays]) == [gone]


def test_a_blob_that_may_not_be_deleted_is_named(blobs: BlobStore) -> None:
    gone, stays = publish(blobs, b"gone"), publish(blobs, b"stays")
    with unremovable(blobs, stays):
        assert blobs.delete([stays.address, gone.address]) == [stays.address]
        assert blobs.delete([]) == blobs.delete([gone.address]) == []
    assert blobs.missing([gone, stays]) == [gone]
    assert blobs.delete([stays.address]) == []


def test_a_mark_is_what_was_left_last_and_no_blob(blobs: BlobStore) -> None:
    assert blobs.mark() == ""
    for text in ("1 first", "2 second"):
        blobs.leave_mark(text)
        assert blobs.mark() == text
    assert blobs.walk("", 10) == []
