"""What a process does now and then beside its work: each in a thread that ends with the process."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from pacs.errors import Unavailable
from storage.upkeep.history import History
from storage.upkeep.sweep import Sweep
from storage.upkeep.tidying import Tidying

log = structlog.get_logger(__name__)

Chore = Callable[[], bool]
"""Does a bounded piece; whether there is more to do right away."""


@contextmanager
def regularly(name: str, chore: Chore, every: float, stop: threading.Event) -> Iterator[None]:
    """Until `stop` is set, which leaving the context does.

    `every`: seconds, and up to half as much again, so that nodes take turns. A chore that fails
    is done again when its time comes.
    """
    thread = threading.Thread(target=_repeat, args=(name, chore, every, stop), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _repeat(name: str, chore: Chore, every: float, stop: threading.Event) -> None:
    more = False
    while not stop.wait(0 if more else every * random.uniform(1, 1.5)):
        try:
            more = chore()
        except Unavailable as error:
            log.warning("a chore waits", chore=name, reason=type(error).__name__)
            more = False
        except Exception:
            log.exception("a chore failed", chore=name)
            more = False


def sweeping(sweep: Sweep, history: History) -> Chore:
    after = ""

    def chore() -> bool:
        nonlocal after
        forgot = history.run()
        swept = sweep.run(after)
        after = swept.after
        return swept.more or forgot

    return chore


def tidying(cache: Tidying) -> Chore:
    after = 0

    def chore() -> bool:
        nonlocal after
        after = cache.run(after)
        return False

    return chore
