"""One run of the bench: its peers, its options, and the table it prints.

The peers take turns within a run (A B A B), because times drift on shared machines: what is
quoted is the ratio of medians from one run. Nothing here asserts a time.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from bench.peers import Least, LeastWeb, Limit, Orthanc, Ours, Peer


@dataclass(frozen=True)
class Setting:
    #: Stores of the servers, on the disk to be measured.
    room: Path
    #: Studies to send; kept from run to run.
    data: Path
    orthanc: Path | None
    postgres: str | None
    #: `nodelay.so`, or None to measure stock programs.
    library: Path | None
    runs: int
    #: Part of the full load: 0.1 for a quick look.
    scale: float

    def scaled(self, count: int) -> int:
        return max(1, round(count * self.scale))

    def ours(self) -> Peer:
        return Ours(self.room, self.postgres)

    def archives(self) -> list[Peer]:
        rival = [Orthanc(self.room, self.library, self.orthanc)] if self.orthanc else []
        return [self.ours(), *rival]

    def all(self) -> list[Peer]:
        return [*self.archives(), Least(self.room, None), Limit(self.room, self.library)]

    def web(self) -> list[Peer]:
        return [*self.archives(), LeastWeb(self.room, None)]

    def describe(self) -> str:
        cpu = next((line for line in _read("/proc/cpuinfo") if line.startswith("model name")), "?: ?")
        machine = f"{_cores()} cores {cpu.split(':')[1].strip()}, Linux {platform.release()}"
        database = "PostgreSQL" if self.postgres else "SQLite"
        rival = Orthanc.version(self.orthanc) + " on SQLite" if self.orthanc else "Orthanc absent: skipped"
        dcmtk = _first_line("storescu", "--version").strip("$ ")
        preload = "yes" if self.library else "no"
        lines = [
            f"{machine}, {_file_system(self.room)}, Python {platform.python_version()}",
            f"lightbox-pacs {metadata.version('lightbox-pacs')} on {database}; {rival}; {dcmtk}",
            f"TCP_NODELAY preloaded for clients and rivals: {preload}",
            f"medians of {self.runs}, taking turns; load × {self.scale:g}",
        ]
        return "\n".join(f"- {line}" for line in lines)


@dataclass
class Row:
    """One line of the table: what was done, and how long each peer took each time, in seconds."""

    work: str
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, peer: str) -> float | None:
        times = self.seconds.get(peer)
        return statistics.median(times) if times else None

    def cells(self) -> list[str]:
        ours, rival, least, limit = (self.median(peer.name) for peer in (Ours, Orthanc, Least, Limit))
        times = map(_time, (ours, rival, least, limit))
        return [self.work, *times, _ratio(rival, ours), _ratio(rival, least), _ratio(ours, limit)]


HEADING = ["work", "ours", "Orthanc", "least", "limit", "Orthanc / ours", "Orthanc / least", "ours / limit"]


def take_turns(work: str, runs: int, peers: Sequence[Peer], measure: Callable[[Peer], float]) -> Row:
    row = Row(work)
    for _ in range(runs):
        for peer in peers:
            with ExitStack() as others:
                for other in peers:
                    if other is not peer:
                        others.enter_context(other.asleep())
                seconds = measure(peer)
            row.seconds.setdefault(peer.name, []).append(seconds)
    return row


def started(measure: Callable[[Peer], float]) -> Callable[[Peer], float]:
    """`measure` on a peer started with an empty store for it, and stopped afterwards."""

    def fresh(peer: Peer) -> float:
        with peer:
            return measure(peer)

    return fresh


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(rows: Sequence[Row]) -> None:
    print(table(HEADING, [row.cells() for row in rows]), flush=True)


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.3g} s"


def _ratio(numerator: float | None, denominator: float | None) -> str:
    return f"{numerator / denominator:.1f} ×" if numerator and denominator else "–"


def _read(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _cores() -> int:
    return sum(line.startswith("processor") for line in _read("/proc/cpuinfo"))


def _file_system(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return _first_line("stat", "--file-system", "--format=%T", str(folder)).replace("ext2/ext3", "ext4")


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
