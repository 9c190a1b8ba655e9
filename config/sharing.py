"""Who takes the next connection of a socket that several processes listen on: one that holds fewest.

Left to chance, the process that wakes first takes all that wait, and the others' cores stand idle. So
each tells in memory that all see how many it holds, and who is ahead leaves the next to the others, but
not for ever: they may be dead, or stopped.
"""

from __future__ import annotations

import mmap

PATIENCE = 0.03
"""Seconds that a connection is left to those who hold fewer."""
MOMENT = 0.001
"""Seconds between looking whether it still is."""
_SLACK = 4
"""A quarter more than the others is not ahead: a crowd gets in quickly."""


class Sharing:
    """Made before forking, for `processes` of one kind."""

    def __init__(self, processes: int) -> None:
        self._held = memoryview(mmap.mmap(-1, 4 * processes)).cast("i")

    def place(self, number: int) -> Place:
        """That of one process; whoever follows a dead one takes its place, and tells what it holds first."""
        return Place(self._held, number)


class Place:
    def __init__(self, held: memoryview[int], number: int) -> None:
        self._held = held
        self._number = number

    def holds(self, count: int) -> None:
        self._held[self._number] = count

    def is_ahead(self) -> bool:
        fewest = min(self._held)
        return self._held[self._number] > fewest + fewest // _SLACK
