"""Balances connections between processes that listen on one socket: one with the fewest takes the next.

Left to chance, the process that wakes first takes all waiting connections while other cores are idle. So
each publishes its count in shared memory, and a process that is ahead leaves the next connection to the
others for a moment, but not for ever, as they may be dead or stopped.
"""

from __future__ import annotations

import mmap

PATIENCE = 0.03
"""Seconds for which a connection is left to processes that hold fewer."""
MOMENT = 0.001
"""Seconds between checks whether it is still waiting."""
_SLACK = 4
"""A process is ahead if it has over a quarter more than another, so that bursts are accepted quickly."""


class ConnectionCounts:
    """How many connections each of `processes` of one kind holds, in memory that they share: create it before
    forking."""

    def __init__(self, processes: int) -> None:
        self._held = memoryview(mmap.mmap(-1, 4 * processes)).cast("i")

    def slot(self, number: int) -> Slot:
        """The slot of process `number`. The successor of a dead process takes it over and resets it."""
        return Slot(self._held, number)


class Slot:
    """The count of one process, which others read."""

    def __init__(self, held: memoryview[int], number: int) -> None:
        self._held = held
        self._number = number

    def publish(self, count: int) -> None:
        self._held[self._number] = count

    def is_ahead(self) -> bool:
        """Whether another process should take the next connection."""
        fewest = min(self._held)
        return self._held[self._number] > fewest + fewest // _SLACK
