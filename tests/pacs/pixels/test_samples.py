"""Codes and their values are another way to say what was stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.errors import NotConvertible
from pacs.pixels.frame import read_frame
from pacs.pixels.samples import grey
from tests.pacs.pixels.images import image, opened


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2", "<i2", "<u4", "<i4"])
@given(data=st.data())
def test_each_pixel_has_the_value_that_was_stored(kind: str, data: Any) -> None:
    dtype = np.dtype(kind)
    bits = dtype.itemsize * 8
    stored = data.draw(st.integers(2, bits))
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if dtype.kind == "i" else (0, (1 << stored) - 1)
    extremes = st.sampled_from((low, high)) | st.integers(low, high)
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    pixels = data.draw(st.lists(extremes, min_size=rows * columns, max_size=rows * columns))
    header, index = opened(image(np.array(pixels, dtype).reshape(rows, columns), stored))
    found = grey(header, read_frame(header, index, 0))
    values = found.values if found.codes is None else found.values[found.codes]
    assert values.reshape(-1).tolist() == pixels
    assert sorted(set(found.occurring().reshape(-1).tolist())) == sorted(set(pixels))


def test_packed_samples_are_refused_by_their_name() -> None:
    """Twelve bits each, two in three bytes, as ACR-NEMA allowed and PS3.5 no longer does."""
    dataset = image(np.zeros((2, 2), "<u2"), 12)
    dataset.BitsAllocated, dataset.PixelData = 12, bytes(6)
    header, index = opened(dataset)
    with pytest.raises(NotConvertible, match=r"Bits Allocated is 12: .*ACR-NEMA"):
        grey(header, read_frame(header, index, 0))
