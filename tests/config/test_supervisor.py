"""A parent with two kinds of children, run as a program of its own and told to stop, or robbed of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.supervisor import FIRST_PAUSE, LONGEST_PAUSE, Role, Supervisor, run_in_child

PROGRAM = """
import os, sys, threading, time
from pathlib import Path
from config.supervisor import Role, Supervisor

folder = Path(sys.argv[1])
drain = float(sys.argv[2])

def steady(stop):
    (folder / f"steady-{os.getpid()}").touch()
    stop.wait()
    (folder / f"ended-{os.getpid()}").touch()

def stubborn(stop):
    (folder / f"stubborn-{os.getpid()}").touch()
    stop.wait()
    time.sleep(300)

roles = [Role("steady", steady), Role("steady", steady)]
if len(sys.argv) > 3:
    roles.append(Role("stubborn", stubborn))
sys.exit(Supervisor(roles, drain, on_drain=(folder / "draining").touch).run())
"""

NO_PROCESS = """
import os

fork, forked = os.fork, []

def once_refused():
    forked.append(True)
    if len(forked) == {number}:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()

os.fork = once_refused
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, before: str = "") -> subprocess.Popen[bytes]:
        program = [sys.executable, "-c", before + PROGRAM, str(tmp_path), *arguments]
        started.append(subprocess.Popen(program))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def pids(folder: Path, kind: str) -> set[int]:
    return {int(path.name.split("-")[1]) for path in folder.glob(f"{kind}-*")}


def wait_for(folder: Path, kind: str, count: int) -> set[int]:
    end = time.monotonic() + 60
    while len(found := pids(folder, kind)) < count:
        assert time.monotonic() < end, f"{kind}: {found}"
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").is_dir() else True
    except (ProcessLookupError, FileNotFoundError):  # it may go in between
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_children_finish_their_work(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    parent = start("60")
    children = wait_for(tmp_path, "steady", 2)
    parent.send_signal(number)
    assert parent.wait(60) == 0
    assert pids(tmp_path, "ended") == children
    assert (tmp_path / "draining").exists()


def test_a_dead_child_is_started_again(start: Start, tmp_path: Path) -> None:
    parent = start("60")
    first, second = wait_for(tmp_path, "steady", 2)
    os.kill(first, signal.SIGKILL)
    third = (wait_for(tmp_path, "steady", 3) - {first, second}).pop()
    os.kill(third, signal.SIGKILL)
    wait_for(tmp_path, "steady", 4)
    parent.terminate()
    assert parent.wait(60) == 0


def test_a_child_that_does_not_finish_is_ended(start: Start, tmp_path: Path) -> None:
    parent = start("0", "stubborn")
    wait_for(tmp_path, "stubborn", 1)
    parent.terminate()
    assert parent.wait(60) == 1


def test_a_second_signal_ends_all_at_once(start: Start, tmp_path: Path) -> None:
    parent = start("250", "stubborn")
    (child,) = wait_for(tmp_path, "stubborn", 1)
    parent.terminate()
    while not (tmp_path / "draining").exists():
        time.sleep(0.01)
    parent.terminate()
    assert parent.wait(60) == 1
    assert not alive(child)


def test_children_do_not_outlive_their_parent(start: Start, tmp_path: Path) -> None:
    parent = start("60")
    children = wait_for(tmp_path, "steady", 2)
    parent.kill()
    parent.wait()
    wait_for(tmp_path, "ended", 2)
    end = time.monotonic() + 60
    while any(alive(child) for child in children):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number", [1, 3])
def test_when_no_process_can_be_had_it_is_tried_again(start: Start, tmp_path: Path, number: int) -> None:
    """The parent ended, and with it all its children."""
    parent = start("60", before=NO_PROCESS.format(number=number))
    first, second = wait_for(tmp_path, "steady", 2)
    os.kill(first, signal.SIGKILL)
    wait_for(tmp_path, "steady", 3)
    assert alive(second)
    parent.terminate()
    assert parent.wait(60) == 0


def test_one_that_dies_for_hours_is_started_again() -> None:
    """The pause, doubled a thousand times, was too large for a number."""
    (child,) = Supervisor([Role("dying", lambda stop: None)], 60)._children
    pauses = [child.back_off() for _ in range(2000)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert set(pauses[10:]) == {LONGEST_PAUSE}


def test_the_starting_process_may_ignore_the_death_of_children() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        run_in_child(lambda: None)
    finally:
        signal.signal(signal.SIGCHLD, before)
