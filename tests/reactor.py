"""pynetdicom's reactor pauses before its caller goes on: otherwise it sometimes takes the caller's answer.

An `Association` has a thread, its reactor, that takes every message that arrives. A caller that expects
an answer closes the checkpoint and waits for `_is_paused`. The reactor sets that flag before it knows
whether the checkpoint holds it, so on a busy machine the caller believes it paused while it runs, the
reactor drops the response as unexpected, and the caller waits until its DIMSE timeout. Here `clear`
returns once the reactor stands at the checkpoint, and it can pass it only after `set`.
"""

from __future__ import annotations

import threading
from functools import wraps
from typing import Any

from pynetdicom.association import Association

PATIENCE = 300.0
"""Seconds for each answer, of which it has 30: a busy machine is no fault."""
_LOOK_AGAIN = 0.05  # seconds: a reactor that ends tells nobody


class Checkpoint:
    """What an `Association` uses of `threading.Event`, for the reactor that is thread `reactor`."""

    def __init__(self, reactor: threading.Thread) -> None:
        self._reactor = reactor
        self._changed = threading.Condition()
        self._open = True
        self._held = False

    def set(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Close; return once the reactor is held, or if none can be: it ended, or it is the caller."""
        with self._changed:
            self._open = False
            while not self._held and self._reactor is not threading.current_thread():
                if not self._reactor.is_alive():
                    return
                self._changed.wait(_LOOK_AGAIN)

    def wait(self) -> None:
        """Hold the reactor while closed."""
        with self._changed:
            while not self._open:
                self._held = True
                self._changed.notify_all()
                self._changed.wait()
            self._held = False


def mend() -> None:
    """Give every later `Association` of this process such a checkpoint, and patience; once is enough."""
    begin = Association.__init__
    if hasattr(begin, "__wrapped__"):
        return

    @wraps(begin)
    def begin_with_checkpoint(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self._reactor_checkpoint = Checkpoint(self)
        self.acse_timeout = self.dimse_timeout = self.network_timeout = PATIENCE

    Association.__init__ = begin_with_checkpoint
