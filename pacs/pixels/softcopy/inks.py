"""The grey or colour of what a presentation state paints: P-Values and CIELab (PS3.3 §C.10.7.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacs.dicom.header import Header
from pacs.pixels.picture import Octets

_LAST = 0xFFFF
_WHITE_POINT = np.array([0.9642, 1.0, 0.8249])
"""D50, as in the profile connection space of ICC."""
_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


@dataclass(frozen=True, slots=True)
class Ink:
    grey: int
    colour: tuple[int, int, int]

    def on(self, pixels: Octets) -> int | tuple[int, int, int]:
        return self.colour if pixels.ndim == 3 else self.grey


def ink(holder: Header, grey_attribute: str, colour_attribute: str, grey: int = 255) -> Ink:
    """`grey`: what is used when the state does not say."""
    value, lab = holder.number(grey_attribute), holder.values(colour_attribute)
    if value is not None:
        grey = round(min(max(value, 0), _LAST) / _LAST * 255)
    match lab:
        case [int() as lightness, int() as a, int() as b]:
            colour = _srgb(lightness, a, b)
            if value is None:
                grey = round(lightness / _LAST * 255)
            return Ink(grey, colour)
    return Ink(grey, (grey, grey, grey))


def _srgb(lightness: int, a: int, b: int) -> tuple[int, int, int]:
    """Each is stored as an unsigned word: 0 to 100, and -128 to 127."""
    level = (lightness / _LAST * 100 + 16) / 116
    steps = np.array([level + (a / _LAST * 255 - 128) / 500, level, level - (b / _LAST * 255 - 128) / 200])
    xyz = np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29)) * _WHITE_POINT
    linear = np.clip(_TO_SRGB @ xyz, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(encoded * 255).astype(int).tolist()
    return red, green, blue
