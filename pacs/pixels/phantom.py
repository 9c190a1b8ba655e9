"""Images drawn by formula: what a demonstration shows instead of a patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Ellipsoid = tuple[float, float, float, float, float, float, float]
"""A value added inside; centre x y z and half axes x y z, in the cube from -1 to 1."""

HEAD_CT: Sequence[Ellipsoid] = (
    (2000, 0.0, 0.0, 0.0, 0.70, 0.92, 0.90),  # the skull, 1000 HU above air at -1000
    (-960, 0.0, -0.01, 0.0, 0.655, 0.865, 0.86),
    (-25, 0.22, 0.0, 0.0, 0.11, 0.31, 0.35),
    (-25, -0.22, 0.0, 0.0, 0.14, 0.38, 0.40),
    (15, 0.0, 0.35, -0.10, 0.21, 0.25, 0.35),
    (25, 0.0, 0.10, 0.15, 0.05, 0.05, 0.10),
    (30, -0.08, -0.60, 0.0, 0.05, 0.03, 0.08),
    (40, 0.30, -0.45, 0.25, 0.09, 0.07, 0.12),
)
HEAD_T1: Sequence[Ellipsoid] = (
    (900, 0.0, 0.0, 0.0, 0.70, 0.92, 0.90),
    (-850, 0.0, -0.01, 0.0, 0.68, 0.90, 0.88),
    (600, 0.0, -0.01, 0.0, 0.62, 0.83, 0.82),
    (-450, 0.22, 0.0, 0.0, 0.10, 0.28, 0.32),
    (-450, -0.22, 0.0, 0.0, 0.12, 0.32, 0.36),
    (180, 0.0, 0.35, -0.10, 0.21, 0.25, 0.35),
    (250, 0.30, -0.45, 0.25, 0.09, 0.07, 0.12),
)
HEAD_T2: Sequence[Ellipsoid] = (
    (500, 0.0, 0.0, 0.0, 0.70, 0.92, 0.90),
    (-450, 0.0, -0.01, 0.0, 0.68, 0.90, 0.88),
    (350, 0.0, -0.01, 0.0, 0.62, 0.83, 0.82),
    (900, 0.22, 0.0, 0.0, 0.10, 0.28, 0.32),
    (900, -0.22, 0.0, 0.0, 0.12, 0.32, 0.36),
    (80, 0.0, 0.35, -0.10, 0.21, 0.25, 0.35),
    (500, 0.30, -0.45, 0.25, 0.09, 0.07, 0.12),
)


def volume(
    ellipsoids: Sequence[Ellipsoid], side: int, slices: int, background: int = 0, noise: int = 6
) -> Iterator[bytes]:
    """Slices of `side`² little-endian int16, from the lowest z up."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    random = np.random.default_rng(7)
    for z in np.linspace(-0.8, 0.8, slices):
        plane = np.full((side, side), background, np.float32)
        for value, cx, cy, cz, ax, ay, az in ellipsoids:
            plane[((x - cx) / ax) ** 2 + ((y - cy) / ay) ** 2 + ((z - cz) / az) ** 2 <= 1] += value
        plane += random.normal(0, noise, plane.shape) * (plane > background)
        yield plane.astype("<i2").tobytes()


def chest(side: int, seed: int) -> bytes:
    """A radiograph, `side`² little-endian uint16 of 12 bits: air is black."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    random = np.random.default_rng(seed)
    body = np.clip(1.15 - (x / 0.95) ** 8 - np.maximum(0, -y - 0.75) * (3 - 6 * (np.abs(x) < 0.25)), 0, 1)
    lungs = _soft(((np.abs(x) - 0.42) / 0.30) ** 2 + ((y + 0.02) / 0.62) ** 2)
    heart = _soft(((x - 0.12) / 0.26) ** 2 + ((y - 0.22) / 0.32) ** 2)
    diaphragm = 1 / (1 + np.exp(-40 * (y - 0.52 - 0.10 * np.abs(np.abs(x) - 0.42))))
    spine = np.exp(-((x / 0.10) ** 4))
    ribs = np.maximum(0, np.cos(18 * (y - 0.35 * np.abs(x) ** 1.5))) ** 6 * (np.abs(x) < 0.82) * (y < 0.55)
    shade = body * (0.62 - 0.48 * lungs * (1 - diaphragm)) + 0.22 * heart + 0.16 * spine + 0.06 * ribs * body
    shade += 0.18 * diaphragm * body + random.normal(0, 0.006, shade.shape)
    pixels: NDArray[np.uint16] = (np.clip(shade, 0, 1) * 4095).astype("<u2")
    return pixels.tobytes()


def heartbeat(side: int, frames: int) -> bytes:
    """A loop of ultrasound, `frames` × `side`² bytes: a sector with a chamber that beats."""
    x, y = np.meshgrid(np.linspace(-1, 1, side, dtype=np.float32), np.linspace(0, 1, side, dtype=np.float32))
    depth, angle = np.hypot(x, y), np.abs(np.arctan2(x, np.maximum(y, 1e-3)))
    sector = (depth < 1) & (depth > 0.06) & (angle < np.pi / 4)
    random = np.random.default_rng(3)
    speckle = random.rayleigh(0.35, (side, side)).astype(np.float32)
    loop = np.zeros((frames, side, side), np.uint8)
    for number in range(frames):
        size = 0.15 + 0.03 * np.sin(2 * np.pi * number / frames)
        wall = np.hypot(x / 0.8, y - 0.55)
        echo = (
            np.where(wall < size, 0.06, np.where(wall < size + 0.07, 0.95, 0.45))
            * speckle
            * (1.1 - depth / 2)
        )
        loop[number] = np.clip(echo * sector, 0, 1) * 255
    return loop.tobytes()


def _soft(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 inside, 0 outside, a soft edge at 1."""
    return (1 / (1 + np.exp(np.minimum(12 * (distance - 1), 80)))).astype(np.float32)
