"""Large arrays are returned to the system when they are freed, and moved as a whole when they grow.

glibc keeps what is below a threshold in heaps, and raises the threshold to 32 MiB as soon as anything so
large was freed. The listings of large data sets, which grow together in several threads, then leave five
times their size behind in holes.

A threshold that is set stays, as does then the other one, of what each heap keeps at hand: with its default
of 128 KiB every image that was sent would be returned to the system, and the next one begin with page faults.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 4 << 20
"""Bytes; well above the pieces in which objects are read and sent."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def return_large_arrays() -> None:
    """In this process and those that it forks. Other C libraries than glibc have no need of it."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for threshold in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(threshold, LARGE)
