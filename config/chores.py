"""Regular chores of a process, such as sweeping: each in a thread that ends with the process."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from pacs.errors import Unavailable
from storage.database import Database
from storage.upkeep.history import History
from storage.upkeep.set_back import Release
from storage.upkeep.sweep import Sweep
from storage.upkeep.tidying import Tidying

log = structlog.get_logger(__name__)

Chore = Callable[[], bool]
"""Does a bounded amount of work; returns whether there is more to do at once."""


@contextmanager
def regularly(name: str, chore: Chore, every: float, stop: threading.Event) -> Iterator[None]:
    """Run the chore until `stop` is set; leaving the context sets it.

    `every`: seconds, plus up to half as much at random, so that nodes take turns. A chore that fails
    is tried again at its next time.
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
            log.warning("chore postponed", chore=name, reason=type(error).__name__)
            more = False
        except Exception:
            log.exception("chore failed", chore=name)
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


def releasing(database: Database) -> Chore:
    release = Release(database)

    def chore() -> bool:
        if released := release.run():
            log.warning("the database's clock was set back", jobs=released)
        return False

    return chore


def tidying(cache: Tidying) -> Chore:
    after = 0

    def chore() -> bool:
        nonlocal after
        after = cache.run(after)
        return False

    return chore
