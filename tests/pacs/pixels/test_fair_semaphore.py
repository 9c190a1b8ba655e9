"""First come, first served."""

from __future__ import annotations

import threading

from pacs.pixels.fair_semaphore import FairSemaphore


def test_a_waiter_is_served_before_a_newcomer() -> None:
    semaphore, served, done = FairSemaphore(1), list[str](), threading.Event()
    assert semaphore.acquire(0)

    def wait() -> None:
        assert semaphore.acquire(60)
        served.append("waiting")
        semaphore.release()
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while not semaphore.waiting:
        done.wait(0.01)
    semaphore.release()
    assert semaphore.acquire(60)  # at once again, as the next frame of a stream does
    served.append("again")
    thread.join()
    assert served == ["waiting", "again"]


def test_a_waiter_that_gave_up_loses_no_place() -> None:
    semaphore = FairSemaphore(2)
    assert semaphore.acquire(0) and semaphore.acquire(0)
    assert not semaphore.acquire(0.01)
    assert semaphore.waiting == 0
    semaphore.release()
    semaphore.release()
    assert semaphore.acquire(0) and semaphore.acquire(0) and not semaphore.acquire(0)
