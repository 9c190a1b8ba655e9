"""Flags that a poll can wait for, beside sockets; and those of a server's stop."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


class Flag:
    """Readable from when it is set, for good."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.is_set = False

    def set(self) -> None:
        self.is_set = True
        os.write(self._writer, b"\0")

    def fileno(self) -> int:
        return self._reader

    def __del__(self) -> None:  # with the last who may wait for it
        os.close(self._reader)
        os.close(self._writer)


@dataclass(frozen=True, slots=True)
class Stop:
    """A server's stop, which comes in three steps."""

    begun: Flag = field(default_factory=Flag)
    """What runs goes on, nothing new begins."""
    ending: Flag = field(default_factory=Flag)
    """What runs is answered now, with what is done."""
    late: Flag = field(default_factory=Flag)
    """For the sake of that answer nobody else is waited for any more."""
