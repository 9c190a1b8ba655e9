"""The bounds that hold for every data set, whoever sent it (law 6)."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """`depth`: nested sequences. The content trees of real reports stay below 40; pydicom, which
    later reads what is accepted here, overruns Python's stack near 250.

    `elements`: all elements and items, 24 bytes of memory each; also of all large data sets that are read
    at a time (`pacs.dicom.element_budget`). A sparsely tiled slide with 100,000 frames has about two million.

    `width`: elements of one data set or item, which are indexed when it is accessed.

    `fragments`: fragments of encapsulated values, 16 bytes each, several times that while they are read.

    `header_bytes`: bytes that must be walked through: all but values longer than the read-ahead window,
    which are skipped unread. The contours of a large structure set take 200 MiB.

    `inflated_bytes`: inflated size of a deflated data set; beyond `inflate_free_bytes` it may also be no
    more than `inflate_ratio` times the deflated size. An honest empty segmentation compresses nearly as
    well as a bomb (at most 1032 : 1), but is small.

    `reserve`: bytes of disk space that must stay free when an object is expanded to a temporary file,
    which goes to `scratch_folder`, or to the system's temporary folder.
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
