"""Large data sets read at the same time: each may be as large as allowed, all of them together no larger."""

from __future__ import annotations

import struct

import pytest

from pacs.dicom import element_budget
from pacs.dicom.limits import DEFAULT, Limits
from pacs.dicom.reader import Header, read_header
from pacs.dicom.source import BytesSource
from pacs.errors import LimitExceeded, Unavailable

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
FRAME = b"".join(struct.pack("<HH2sHH", 0x0028, 0x3000 + n, b"US", 2, n) for n in range(40))
ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, len(FRAME)) + FRAME
PER_ITEM = 41


def frames(count: int, limits: Limits) -> Header:
    """Per-frame functional groups."""
    body = ITEM * count
    data = struct.pack("<HH2sHL", 0x5200, 0x9230, b"SQ", 0, len(body)) + body
    return read_header(BytesSource(data), EXPLICIT_LITTLE, 0, limits)


def test_the_largest_real_ones_pass_beside_each_other() -> None:
    """10,000 frames of 40 attributes, ten at once, as the default is."""
    assert frames(10_000, DEFAULT).extent[0] == 1 + 10_000 * PER_ITEM
    assert DEFAULT.elements > 10 * (10_000 * PER_ITEM - element_budget.STEP)


def test_many_at_once_take_no_more_than_one_may() -> None:
    limits = Limits(elements=6 * element_budget.STEP)
    count = (2 * element_budget.STEP + 20_000) // PER_ITEM  # two grants each; the last window goes uncounted
    held = [frames(count, limits) for _ in range(3)]
    with pytest.raises(Unavailable):
        frames(count, limits)
    assert frames(element_budget.STEP // PER_ITEM - 1, limits).extent  # small ones pass all the same
    del held[0]
    held.append(frames(count, limits))
    with pytest.raises(Unavailable):
        frames(count, limits)


def test_one_may_have_all_there_is_and_the_refused_leave_nothing_behind() -> None:
    limits = Limits(elements=3 * element_budget.STEP)
    for _ in range(3):
        with pytest.raises(LimitExceeded, match="PACS_MAX_ELEMENTS"):
            frames(3 * element_budget.STEP // PER_ITEM + 2000, limits)
        assert frames(3 * element_budget.STEP // PER_ITEM - 1, limits).extent[0] > 2 * element_budget.STEP
