"""Large arrays are returned to the system when they are freed, and moved as a whole when they grow.

glibc keeps what is below a threshold in heaps, and raises the threshold to 32 MiB as soon as anything so
large was freed. The listings of large data sets, which grow together in several threads, then leave five
times their size behind in holes.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 4 << 20
"""Bytes; well above the pieces in which objects are read and sent."""
_M_MMAP_THRESHOLD = -3


def large_apart() -> None:
    """For this process and those that it forks. Other C libraries than glibc have no need of it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
