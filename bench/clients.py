"""DCMTK's clients, timed from start to exit as a user would see it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.peers import SINK_AET, Peer, preloaded

#: Seconds before a client counts as hung.
LIMIT = 3600


class Clients:
    def __init__(self, library: Path | None) -> None:
        self._environment = preloaded(library)

    def store(self, peer: Peer, senders: Sequence[Sequence[Path]]) -> float:
        """One `storescu` for each item of `senders`, all at once, with its folders."""
        commands = [["storescu", *_called(peer), "+sd", "+r", *map(str, folders)] for folders in senders]
        return self._time(commands)

    def find(self, peer: Peer, keys: Sequence[str]) -> tuple[float, int]:
        """Seconds and number of answers of a study-level query."""
        begin = time.perf_counter()
        command = ["findscu", "-S", *_called(peer), "-k", "QueryRetrieveLevel=STUDY", *_keys(keys)]
        answer = subprocess.run(
            command, env=self._environment, capture_output=True, timeout=LIMIT, check=True
        )
        seconds = time.perf_counter() - begin
        return seconds, (answer.stdout + answer.stderr).count(b"(0020,000d)")

    def get(self, peer: Peer, study: str, folder: Path | None) -> float:
        """`getscu` of a study, to a folder or to nowhere."""
        target = ["-od", str(folder)] if folder else ["--ignore"]
        return self._time([["getscu", "-S", *_called(peer), *target, *_study(study)]])

    def move(self, peer: Peer, study: str) -> float:
        return self._time([["movescu", "-S", *_called(peer), "-aem", SINK_AET, *_study(study)]])

    @contextmanager
    def sink(self, peer: Peer) -> Iterator[None]:
        """The destination of `move`: receives and forgets."""
        command = ["storescp", "-q", "--ignore", "-aet", SINK_AET, str(peer.sink_port)]
        process = subprocess.Popen(command, env=self._environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait()

    def _time(self, commands: Sequence[Sequence[str]]) -> float:
        begin = time.perf_counter()
        running = [
            subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for command in commands
        ]
        for process in running:
            said = process.communicate(timeout=LIMIT)[0]
            if process.returncode or b"E: " in said or b"W: " in said:
                raise RuntimeError(f"{process.args!r}: exit {process.returncode}\n{said[-2000:]!r}")
        return time.perf_counter() - begin


def _called(peer: Peer) -> list[str]:
    return ["-aec", peer.aet, "127.0.0.1", str(peer.port)]


def _keys(keys: Sequence[str]) -> list[str]:
    return [argument for key in keys for argument in ("-k", key)]


def _study(uid: str) -> list[str]:
    return _keys(["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={uid}"])
