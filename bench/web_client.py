"""HTTP clients: single requests over one kept connection, and `wrk` for rates."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import Peer

ROOT = "/dicom-web"
JSON = "application/dicom+json"
BOUNDARY = "bench-boundary"
#: Seconds of load for one rate.
DURATION = 5
OFTEN = 7
PIECE = 1 << 20

_SCRIPT = """
local paths, n = {}, 0
for line in io.lines("%s") do paths[#paths + 1] = line end
request = function()
  n = n + 1
  return wrk.format("GET", paths[n %% #paths + 1])
end
"""


@dataclass(frozen=True)
class Web:
    """One peer's DICOMweb face."""

    peer: Peer

    def get(self, path: str, accept: str) -> float:
        """Seconds until the last byte came; the status must be 200."""
        return self._timed("GET", path, {"Accept": accept})

    def often(self, path: str, accept: str) -> float:
        """Median of `OFTEN` times `get`: what each process of a server remembers, it does by then."""
        return statistics.median(self.get(path, accept) for _ in range(OFTEN))

    def find(self, path: str) -> tuple[float, int]:
        """Seconds and number of answers."""
        self.peer.credentials()
        begin = time.perf_counter()
        status, body = self._exchange("GET", path, {"Accept": JSON})
        seconds = time.perf_counter() - begin
        return seconds, len(json.loads(body)) if status == 200 else 0

    def store(self, files: Sequence[Path], per_request: int) -> float:
        bodies = [_multipart(files[i : i + per_request]) for i in range(0, len(files), per_request)]
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        headers = {"Content-Type": kind, "Accept": JSON, **self.peer.credentials()}
        connection = self._connected()
        begin = time.perf_counter()
        for body in bodies:
            connection.request("POST", f"{ROOT}/studies", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{self.peer.name}: {answer.status} {said[:200]!r}")
        return time.perf_counter() - begin

    def delete(self, study: str) -> float:
        self.peer.credentials()
        method, path, headers, body = self.peer.deletion(study)
        begin = time.perf_counter()
        status, said = self._exchange(method, path, headers, body)
        if status not in (200, 202, 204):
            raise RuntimeError(f"{self.peer.name}: {status} {said[:200]!r}")
        return time.perf_counter() - begin

    def each(self, paths: Sequence[str], accept: str, connections: int) -> float:
        """Seconds a request takes of the server when `connections` clients ask at once, again and again."""
        with tempfile.TemporaryDirectory() as folder:
            listed, script = Path(folder) / "paths", Path(folder) / "ask.lua"
            listed.write_text("\n".join(paths))
            script.write_text(_SCRIPT % listed)
            headers = {"Accept": accept, **self.peer.credentials()}
            options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
            url = f"http://127.0.0.1:{self.peer.web_port}"
            command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(DURATION), "-s", str(script)]
            said = subprocess.run(
                [*command, *options, url], capture_output=True, text=True, check=True
            ).stdout
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        if "Non-2xx" in said or "Socket errors" in said or rate is None:
            raise RuntimeError(f"{self.peer.name}:\n{said}")
        return 1 / float(rate[1])

    def once(self, paths: Sequence[str], accept: str) -> float:
        """Seconds a request takes when each of `paths` is asked for once, one after another."""
        connection, _ = self._connected(), self.peer.credentials()
        begin = time.perf_counter()
        for path in paths:
            self._on(connection, "GET", path, {"Accept": accept})
        return (time.perf_counter() - begin) / len(paths)

    def _timed(self, method: str, path: str, headers: dict[str, str]) -> float:
        self.peer.credentials()  # made before the clock runs
        begin = time.perf_counter()
        self._on(self._connected(), method, path, headers)
        return time.perf_counter() - begin

    def _on(
        self, connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]
    ) -> None:
        connection.request(method, path, headers={**headers, **self.peer.credentials()})
        answer = connection.getresponse()
        while answer.read(PIECE):
            pass
        if answer.status != 200:
            raise RuntimeError(f"{self.peer.name}: {method} {path} → {answer.status}")

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, bytes]:
        connection = self._connected()
        connection.request(method, path, body, {**headers, **self.peer.credentials()})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.peer.web_port, timeout=3600)


def have_wrk() -> bool:
    return shutil.which("wrk") is not None


def _multipart(files: Sequence[Path]) -> bytes:
    pieces: list[Any] = []
    for file in files:
        pieces += [
            f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode(),
            file.read_bytes(),
            b"\r\n",
        ]
    return b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()])
