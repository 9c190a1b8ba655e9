"""Workers are real processes here: a task that misbehaves ends its own, and nothing else."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacs.dicom.image import ImagePixel
from pacs.dicom.source import BytesSource, FileSource, Source
from pacs.errors import BadInput, Damaged, NotConvertible, Unavailable
from pacs.pixels import fork_server as fork_servers
from pacs.pixels import pool as pools
from pacs.pixels.channel import OPENING, Kind, send
from pacs.pixels.fork_server import ForkServer, TaskLimits
from pacs.pixels.pool import Pool
from pacs.pixels.tasks import decoded

SECONDS = 60.0
BRIEF = 1.0
"""Seconds for those who take all that they get."""
NEVER = 1000.0
"""Times as long as its processor time lasts: however busy the machine is, a task reaches that end first."""
Spawn = Callable[[], socket.socket]
NOTHING = BytesSource(b"")
RLE = "1.2.840.10008.1.2.5"
ENDS = {
    "crash": signal.SIGSEGV,
    "abort": signal.SIGABRT,
    "exhaust": signal.SIGPROF,
    "kill": signal.SIGKILL,
}
PIXEL = ImagePixel(1, 1, 8, 8, 1, 0, 0, "MONOCHROME2")
RLE_FRAME = struct.pack("<16L", 1, 64, *[0] * 14) + b"\0\7"


@dataclass
class Echo:
    def run(self, source: Source) -> bytes:
        return source.read_at(2, 1 << 20) + source.read_at(0, 2)


@dataclass
class Number:
    def run(self, source: Source) -> bytes:
        return str(os.getpid()).encode()


@dataclass
class OpenFiles:
    def run(self, source: Source) -> bytes:
        return str(len(os.listdir("/proc/self/fd"))).encode()


@dataclass
class Long:
    told: bytes

    def run(self, source: Source) -> bytes:
        return source.read_at(0, 4)


@dataclass
class KilledIn:
    worker: bytes

    def run(self, source: Source) -> bytes:
        here = str(os.getpid()).encode()
        if here == self.worker:
            os.kill(os.getpid(), signal.SIGKILL)
        return here


@dataclass
class Misbehave:
    how: str

    def run(self, source: Source) -> bytes:
        match self.how:
            case "loop":
                while True:
                    pass
            case "block":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
                threading.Event().wait()
            case "hoard":
                return bytes(8 << 30)
            case "crash" | "abort" | "exhaust" | "kill":
                os.kill(os.getpid(), ENDS[self.how])
            case "exit":
                os._exit(0)
            case "bug":
                raise ZeroDivisionError
            case "refuse":
                raise NotConvertible("there is a reason")
            case "blame":
                raise BadInput("the window is too narrow")
        return b""


_open: list[ForkServer] = []


@contextmanager
def working(seconds: float, clock: float = NEVER) -> Iterator[ForkServer]:
    """The process closes what it inherits of the others, which would else not end before its workers."""
    made = ForkServer(TaskLimits(seconds, 512 << 20))
    pid = os.fork()
    if pid == 0:
        fork_servers.CLOCK = clock
        for other in _open:
            other.close()
        made.run()
        os._exit(0)
    _open.append(made)
    yield made
    _open.remove(made)
    made.close()
    assert os.waitpid(pid, 0)[1] == 0


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with working(SECONDS) as made:
        yield made


@pytest.fixture
def pool(fork_server: ForkServer) -> Pool:
    return Pool(fork_server.spawn, 2, SECONDS)


@pytest.fixture(scope="module")
def brief_fork_server() -> Iterator[ForkServer]:
    with working(BRIEF) as made:
        yield made


@pytest.fixture
def first_is_brief(
    fork_server: ForkServer, brief_fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> Spawn:
    """Only the first worker has little time: a busy machine needs more for the others."""
    monkeypatch.setattr(pools, "CLOCK", NEVER)
    first = iter([brief_fork_server.spawn])
    return lambda: next(first, fork_server.spawn)()


@pytest.mark.parametrize("size", [0, 1, OPENING - 1, OPENING, OPENING + 1, 3 * OPENING])
def test_a_worker_reads_what_its_caller_has_open(pool: Pool, size: int) -> None:
    data = os.urandom(size)
    assert pool.run(Echo(), BytesSource(data)) == data[2 : 2 + (1 << 20)] + data[:2]


@pytest.mark.parametrize("size", [0, 1, 3 * OPENING])
def test_a_worker_reads_a_file_itself(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    data = os.urandom(size)
    (tmp_path / "object").write_bytes(data)
    with FileSource(tmp_path / "object") as source:
        monkeypatch.setattr(source, "read_at", never)
        assert pool.run(Echo(), source) == data[2 : 2 + (1 << 20)] + data[:2]


def never(offset: int, length: int) -> bytes:
    raise AssertionError("the bytes crossed the socket")


def test_a_worker_keeps_no_file_open(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"abcd")
    with FileSource(tmp_path / "object") as source:
        counts = {pool.run(OpenFiles(), source) for _ in range(5)}
    assert len(counts) == 1


def test_a_file_that_cannot_be_read_is_damage(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "name").touch()  # an empty folder may have no size
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Damaged, match="cannot be read"):
        pool.run(Echo(), FileSource(folder))
    os.close(folder)


def test_a_long_task_goes_along_with_a_file(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"abcd")
    with FileSource(tmp_path / "object") as source:
        assert pool.run(Long(bytes(1 << 20)), source) == b"abcd"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("hoard", "more memory"),
        ("crash", "damaged"),
        ("abort", "damaged"),
        ("exhaust", "damaged"),
        ("bug", "cannot be processed"),
        ("refuse", "there is a reason"),
    ],
)
def test_what_misbehaves_fails_alone(pool: Pool, how: str, said: str) -> None:
    with pytest.raises(NotConvertible, match=said):
        pool.run(Misbehave(how), NOTHING)
    assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_what_is_killed_from_outside_says_nothing_of_the_image(pool: Pool, how: str) -> None:
    """As by a system that runs out of memory."""
    with pytest.raises(Unavailable, match="try again"):
        pool.run(Misbehave(how), NOTHING)
    assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"


def test_a_worker_that_is_killed_once_is_not_noticed(pool: Pool) -> None:
    first = pool.run(Number(), NOTHING)
    found = pool.run(KilledIn(first), NOTHING)
    assert found not in (b"", first)


def test_what_takes_all_its_processor_time_is_ended_by_the_kernel(first_is_brief: Spawn) -> None:
    pool = Pool(first_is_brief, 2, BRIEF)
    with pytest.raises(NotConvertible, match="longer than"):
        pool.run(Misbehave("loop"), NOTHING)
    assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"


def test_what_merely_waited_says_nothing_of_the_image(
    fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine or a slow store: the image may be made later. The kernel ends it nevertheless."""
    monkeypatch.setattr(pools, "GRACE", SECONDS)
    monkeypatch.setattr(pools, "CLOCK", BRIEF / SECONDS)
    with working(SECONDS, BRIEF / SECONDS) as brief:
        first = iter([brief.spawn])
        pool = Pool(lambda: next(first, fork_server.spawn)(), 2, SECONDS)
        with pytest.raises(Unavailable, match="too long"):
            pool.run(Misbehave("block"), NOTHING)
        assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"


def test_what_the_caller_did_wrong_is_told_as_such(pool: Pool) -> None:
    with pytest.raises(BadInput, match="too narrow") as found:
        pool.run(Misbehave("blame"), NOTHING)
    assert not isinstance(found.value, NotConvertible)


def test_others_go_on_beside_a_poisoned_one(first_is_brief: Spawn) -> None:
    began = threading.Event()

    def spawn() -> socket.socket:
        worker = first_is_brief()
        began.set()
        return worker

    pool = Pool(spawn, 2, SECONDS)
    with ThreadPoolExecutor(9) as threads:
        bad = threads.submit(pool.run, Misbehave("loop"), NOTHING)
        assert began.wait(SECONDS)
        good = [threads.submit(pool.run, Echo(), BytesSource(b"abcd")) for _ in range(8)]
        assert {each.result() for each in good} == {b"cdab"}
        with pytest.raises(NotConvertible):
            bad.result()


def test_a_worker_is_used_again_and_many_are_not_made(pool: Pool) -> None:
    with ThreadPoolExecutor(8) as threads:
        workers = set(threads.map(lambda _: pool.run(Number(), NOTHING), range(40)))
    assert 1 <= len(workers) <= 2


def test_a_worker_that_died_waiting_is_replaced(pool: Pool) -> None:
    first = pool.run(Number(), NOTHING)
    os.kill(int(first), signal.SIGKILL)
    assert pool.run(Number(), NOTHING) != first


def test_a_worker_that_idled_too_long_is_not_asked(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "IDLE", 0.0)
    first, second = pool.run(Number(), NOTHING), pool.run(Number(), NOTHING)
    assert first != second
    deadline = time.monotonic() + 60
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(int(first), 0)


def test_when_too_many_wait_a_newcomer_is_turned_away(
    fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "WAITING", 1)
    pool, busy = Pool(fork_server.spawn, 1, SECONDS), Held()
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(pool.run, Echo(), busy)
        assert busy.asked.wait(SECONDS)
        later = [threads.submit(pool.run, Echo(), NOTHING) for _ in range(2)]
        (refused,), (waiting,) = wait(later, return_when=FIRST_COMPLETED)
        assert isinstance(refused.exception(), Unavailable)
        busy.go.set()
        assert (first.result(), waiting.result()) == (b"cdab", b"")
    assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"


class Held:
    """A store that takes its time."""

    size = 4

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def read_at(self, offset: int, length: int) -> bytes:
        self.asked.set()
        self.go.wait(SECONDS)
        return b"abcd"[offset : offset + length]


def test_a_frame_of_many_waits_while_others_are_turned_away(
    fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, busy = Pool(fork_server.spawn, 1, 0.01), Held()
    monkeypatch.setattr(pools, "GRACE", SECONDS)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.run, Echo(), busy)
        assert busy.asked.wait(SECONDS)
        frame = threads.submit(decoded, pool, RLE, PIXEL, RLE_FRAME)
        with pytest.raises(Unavailable, match="too long"):
            pool.run(Echo(), NOTHING)
        monkeypatch.setattr(pools, "WAITING", 0)
        with pytest.raises(Unavailable, match="too many"):
            pool.run(Echo(), NOTHING)
        assert not frame.done()
        busy.go.set()
        assert first.result() == b"cdab"
        assert frame.result().data == b"\x07"


class Broken:
    """A store that fails while the worker reads."""

    size = 1 << 20

    def read_at(self, offset: int, length: int) -> bytes:
        raise Damaged


def test_a_fault_of_the_store_is_the_callers_and_leaves_a_pool_that_works(pool: Pool) -> None:
    with pytest.raises(Damaged):
        pool.run(Echo(), Broken())
    assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"


@pytest.mark.parametrize(
    "said",
    [
        b"\xff" * 64,
        b"\x02" + b"\xff" * 8,
        bytes([Kind.REFUSED]) + (12).to_bytes(8, "little") + b"SystemExit\nx",
    ],
)
def test_a_worker_in_strange_hands_is_not_believed(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    send(theirs, Kind.READY)
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    with theirs, pytest.raises(NotConvertible):
        Pool(lambda: ours, 1, SECONDS).run(Echo(), NOTHING)


def test_a_worker_cannot_have_more_read_than_a_message_holds() -> None:
    ours, theirs = socket.socketpair()
    send(theirs, Kind.READY)
    send(theirs, Kind.READ, (0).to_bytes(8, "little") + (1 << 40).to_bytes(8, "little"))
    with theirs, pytest.raises(NotConvertible):
        Pool(lambda: ours, 1, SECONDS).run(Echo(), NOTHING)


@pytest.mark.parametrize("said", [b"", b"\xff" * 64])
def test_a_worker_that_never_begins_says_nothing_of_the_image(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    with theirs, pytest.raises(Unavailable, match="no worker"):
        Pool(lambda: ours, 1, SECONDS).run(Echo(), NOTHING)


def test_where_no_process_can_be_made_the_next_worker_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    fork_server, tries = ForkServer(TaskLimits(SECONDS, 512 << 20)), list[int]()
    pool = Pool(fork_server.spawn, 1, SECONDS)

    def full() -> int:
        tries.append(1)
        raise BlockingIOError(11, "no more processes")

    monkeypatch.setattr(os, "fork", full)
    monkeypatch.setattr(fork_server, "close", lambda: None)  # this process is on both sides
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    running = threading.Thread(target=fork_server.run, daemon=True)
    running.start()
    for _ in range(2):
        with pytest.raises(Unavailable, match="no worker"):
            pool.run(Echo(), NOTHING)
    assert len(tries) == 2 and running.is_alive()
    monkeypatch.undo()
    fork_server.close()
    running.join(60)
    assert not running.is_alive()


def test_no_descriptors_for_a_worker_are_not_the_images_fault() -> None:
    def spawn() -> socket.socket:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    pool = Pool(spawn, 1, SECONDS)
    for _ in range(2):
        with pytest.raises(Unavailable):
            pool.run(Echo(), NOTHING)


def test_nobody_waits_to_ask_a_fork_server_that_is_stopped() -> None:
    """Once its socket was full, each thread that wanted a worker waited for ever."""
    stopped, workers = ForkServer(TaskLimits()), list[socket.socket]()
    try:
        with pytest.raises(OSError):  # whichever is used up first
            while len(workers) < 10_000:
                workers.append(stopped.spawn())
    finally:
        for worker in workers:
            worker.close()
        stopped.close()
    assert workers


def _refuse() -> None:
    raise Damaged("it was not what was stored")


@pytest.mark.parametrize("as_file", [True, False])
def test_what_fails_meanwhile_takes_the_place_of_the_result(
    pool: Pool, tmp_path: Path, as_file: bool
) -> None:
    (tmp_path / "object").write_bytes(b"abcd")
    with FileSource(tmp_path / "object") if as_file else nullcontext(BytesSource(b"abcd")) as source:
        with pytest.raises(Damaged):
            pool.run(Echo(), source, verify=_refuse)
        assert pool.run(Echo(), source, verify=lambda: None) == b"cdab"


def test_a_spare_worker_waits_for_the_first_picture_after_a_pause(
    fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it takes: the pause here is longer than others may be idle."""
    monkeypatch.setattr(pools, "IDLE", 0.0)
    spawned = []

    def spawn() -> socket.socket:
        spawned.append(fork_server.spawn())
        return spawned[-1]

    pool = Pool(spawn, 1, SECONDS, spare=True)
    assert len(spawned) == 1
    workers = {pool.run(Number(), NOTHING) for _ in range(3)}
    assert len(workers) == 3
    assert len(spawned) == 4


def test_a_spare_worker_that_died_is_replaced(
    fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it died before it reported ready or behind that; nobody's picture fails of it."""
    monkeypatch.setattr(pools, "IDLE", 0.0)
    dead, silent = socket.socketpair()
    ready, gone = socket.socketpair()
    send(gone, Kind.READY)
    silent.close()
    gone.close()
    starts: Iterator[Spawn] = iter(
        [lambda: dead, fork_server.spawn, lambda: ready, fork_server.spawn, fork_server.spawn]
    )
    pool = Pool(lambda: next(starts)(), 1, SECONDS, spare=True)
    assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"
    assert pool.run(Echo(), BytesSource(b"abcd")) == b"cdab"
    assert next(starts, None) is None


def test_a_pool_whose_spare_worker_cannot_start_starts_one_when_asked(fork_server: ForkServer) -> None:
    full = iter([True])

    def spawn() -> socket.socket:
        if next(full, False):
            raise OSError(errno.EAGAIN, "the fork server is stopped")
        return fork_server.spawn()

    assert Pool(spawn, 1, SECONDS, spare=True).run(Echo(), BytesSource(b"abcd")) == b"cdab"
