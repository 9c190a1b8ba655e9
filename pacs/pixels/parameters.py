"""The parameters of rendering: what a caller may ask for (PS3.18 §8.3.5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LARGEST_VIEWPORT = 64 << 20
"""Pixels."""


class Function(StrEnum):
    """VOI LUT Function (PS3.3 §C.11.2.1.2)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


class IccProfile(StrEnum):
    """How the data set's colour profile is used (PS3.18 §8.3.5.1.4)."""

    NO = "no"
    YES = "yes"
    SRGB = "srgb"


class Annotation(StrEnum):
    """What is burned into the image (PS3.18 §8.3.5.1.1)."""

    PATIENT = "patient"
    TECHNIQUE = "technique"


@dataclass(frozen=True, slots=True)
class Window:
    """In values after the Modality LUT. Any width is safe: the narrowest ones are thresholds."""

    center: float
    width: float
    function: Function = Function.LINEAR


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of the source image; a negative width or height mirrors (PS3.18 §8.3.5.1.3)."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Viewport:
    """The picture is scaled to fit into `width` by `height`, its proportions kept."""

    width: int
    height: int
    source: Region | None = None

    @property
    def is_possible(self) -> bool:
        return min(self.width, self.height) >= 1 and self.width * self.height <= LARGEST_VIEWPORT


@dataclass(frozen=True, slots=True)
class RenderParameters:
    """`window` None: the data set's own, else one that covers the frame's values.

    `viewport` None: one pixel of the frame is one pixel of the picture.
    `overlays`: shown by default, because nothing else may mark the side or a finding.
    `quality`: 1 to 100, for lossy media types.
    """

    window: Window | None = None
    viewport: Viewport | None = None
    annotations: frozenset[Annotation] = frozenset()
    overlays: bool = True
    quality: int = 90
    icc: IccProfile = IccProfile.YES


DEFAULT_PARAMETERS = RenderParameters()
