"""Flags that a poll can wait for, beside sockets; and those of a server's stop."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


class Flag:
    """Becomes readable when it is set, and stays so."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.is_set = False

    def set(self) -> None:
        self.is_set = True
        os.write(self._writer, b"\0")

    def fileno(self) -> int:
        return self._reader

    def __del__(self) -> None:  # once nobody can wait for it any more
        os.close(self._reader)
        os.close(self._writer)


@dataclass(frozen=True, slots=True)
class Stop:
    """The three steps in which a server stops."""

    begun: Flag = field(default_factory=Flag)
    """Running operations go on; nothing new begins."""
    ending: Flag = field(default_factory=Flag)
    """Running operations answer now, with what they have done so far."""
    late: Flag = field(default_factory=Flag)
    """To give that answer in time, they wait for nobody else any more."""
