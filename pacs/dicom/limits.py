"""The bounds that hold for every data set, whoever sent it (law 6)."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """`depth`: nested sequences. The content trees of real reports stay below 40; pydicom, which
    later reads what is accepted here, overruns Python's stack near 250.

    `elements`: elements and items in all, 24 bytes of memory each. A sparsely tiled slide with
    100,000 frames has about two million.

    `width`: elements of one data set or item, which get an index of their own when it is looked at.

    `fragments`: of encapsulated values; 16 bytes each, for a while several times.

    `header_bytes`: what has to be walked through, that is everything but values longer than a
    read-ahead window, which are jumped over unread. The contours of a large structure set take 200 MiB.

    `inflated_bytes`: of a deflated data set; beyond `inflate_free_bytes` also no more than
    `inflate_ratio` times its deflated size. An honest empty segmentation deflates by nearly as
    much as a bomb (1032 : 1 at most), but is small.

    `reserve`: bytes of the disk that stay free when more is made of an object than memory holds;
    it goes to `scratch_folder`, or where the system keeps temporary files.
    """

    depth: int = 128
    elements: int = 4_000_000
    width: int = 100_000
    fragments: int = 1_000_000
    header_bytes: int = 512 * MIB
    inflated_bytes: int = 4 * GIB
    inflate_ratio: int = 100
    inflate_free_bytes: int = 256 * MIB
    reserve: int = 0
    scratch_folder: str | None = None


DEFAULT = Limits()
