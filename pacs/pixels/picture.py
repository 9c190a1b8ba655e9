"""A rendered picture: the output of rendering, the input of encoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """`pixels`: rows × columns of grey, or rows × columns × 3 of red, green and blue.

    `icc`: their colour profile.
    """

    pixels: Octets
    icc: bytes | None = None

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])
