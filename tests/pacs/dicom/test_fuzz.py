"""Real files with bytes flipped, cut and put in: refused, or read within what is there, and soon."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pacs.dicom.frames import frame_index
from pacs.dicom.json import to_json
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import Header, Limits, read_header
from pacs.dicom.source import BytesSource
from pacs.errors import InvalidDataSet, LimitExceeded
from tests.pacs.dicom.files import REAL_FILES

SMALL = 12_000
MUTANTS = 8
LIMITS = Limits(inflate_free_bytes=1 << 20, elements=100_000)
POISON = [
    b"\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0\0\0\0\0",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"SQ\0\0\xff\xff\xff\xff",
    b"UN\0\0\xff\xff\xff\xff",
    b"OB\0\0\xff\xff\xff\xff",
    b"\x08\x00\x05\x00CS",
    b"\0" * 12,
]


def mutant(data: bytes, chance: random.Random) -> bytes:
    mutated = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(mutated) + 1)
        match chance.randrange(5):
            case 0:
                mutated[at : at + 1] = chance.randbytes(1)
            case 1:
                del mutated[at:]
            case 2:
                mutated[at:at] = chance.randbytes(chance.randint(1, 12))
            case 3:
                poison = chance.choice(POISON)
                mutated[at : at + len(poison)] = poison
            case _:
                mutated[at:at] = chance.choice(POISON)
    return bytes(mutated)


def read_everything(data: bytes) -> None:
    source = BytesSource(data)
    part10 = read_part10(source, LIMITS)
    header = read_header(source, part10.transfer_syntax, part10.dataset_offset, LIMITS)
    look_at(header)
    json.dumps(to_json(header, bulk_threshold=1 << 30))
    index = frame_index(header, source)
    for frame in range(min(len(index), 100) if index else 0):
        assert index is not None
        assert all(offset + length <= header.source.size for offset, length in index.ranges(frame))


def look_at(header: Header) -> None:
    for element in header:
        assert element.offset + element.length <= header.source.size
        header.text(element.tag)
        for item in header.each_item(element.tag):
            look_at(item)


@pytest.mark.parametrize("path", REAL_FILES)
def test_mutants(path: Path) -> None:
    data = path.read_bytes()[:SMALL]
    chance = random.Random(path.name)
    for _ in range(MUTANTS):
        mutated = mutant(data, chance)
        try:
            read_everything(mutated)
        except (InvalidDataSet, LimitExceeded):
            continue


@pytest.mark.parametrize("seed", range(20))
def test_noise(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        data = b"".join(
            chance.choice([*POISON, b"\x10\0\x10\0PN\4\0A^B ", chance.randbytes(3)]) for _ in range(50)
        )
        for transfer_syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"):
            try:
                look_at(read_header(BytesSource(data), transfer_syntax, limits=LIMITS))
            except (InvalidDataSet, LimitExceeded):
                continue
