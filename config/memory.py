"""Has large arrays returned to the system when they are freed, and moved as a whole when they grow.

glibc keeps everything below a threshold in heaps, and raises that threshold up to 32 MiB once something so
large has been freed. Listings of large data sets that grow in several threads at the same time then leave
holes of five times their size.

Setting the threshold stops it from rising, and with it the trim threshold: how much free memory a heap keeps.
With that at its default of 128 KiB, the memory of every image sent would be returned to the system, and the
next image would begin with page faults. So both are set.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 4 << 20
"""Bytes; well above the pieces in which objects are read and sent."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def return_large_arrays() -> None:
    """In this process and those that it forks. C libraries other than glibc do not need it."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for threshold in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(threshold, LARGE)
