"""A flag that a poll can wait for, beside sockets."""

from __future__ import annotations

import os


class Flag:
    """Readable from when it is set, for good."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def set(self) -> None:
        os.write(self._writer, b"\0")

    def fileno(self) -> int:
        return self._reader

    def __del__(self) -> None:  # with the last who may wait for it
        os.close(self._reader)
        os.close(self._writer)
