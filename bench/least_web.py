"""The least that a Python program on uvicorn may do for STOW-RS and WADO-RS: no token, no routing, no audit.

    python -m bench.least_web FOLDER PORT

What is stored is waited for as in `bench.least`: the file, its name, one row; the parts of a request share
one wait for their names and one commit. What is retrieved is a file, read and sent. Only for what `bench`
sends, which is trusted.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import uvicorn

from bench.least import Rows
from bench.web_client import BOUNDARY

FOLDER = "LEAST_FOLDER"
_PART = f"--{BOUNDARY}\r\n".encode()
_UID = re.compile(rb"2\.25\.1\d{26}")  # the first in a file is its SOP Instance UID
_KIND = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
_BEFORE = _PART + b"Content-Type: application/dicom\r\n\r\n"
_END = b"\r\n--" + BOUNDARY.encode() + b"--\r\n"


class LeastWeb:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "objects"
        self._folder.mkdir(exist_ok=True)
        self._name = os.open(self._folder, os.O_RDONLY)
        self._rows = Rows(folder / "rows.sqlite")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            body = await _body(receive)
            await asyncio.to_thread(self._keep, body.split(_PART)[1:])
            await _answer(send, "application/dicom+json", [b"{}"])
            return
        _, is_one, uid = scope["path"].partition("/instances/")
        uids = [uid] if is_one else os.listdir(self._folder)
        await _answer(send, _KIND, [_BEFORE + (self._folder / each).read_bytes() for each in uids])

    def _keep(self, parts: list[bytes]) -> None:
        for part in parts:
            content = memoryview(part)[part.index(b"\r\n\r\n") + 4 :]
            found = _UID.search(part)
            assert found is not None
            file = os.open(self._folder / found[0].decode(), os.O_WRONLY | os.O_CREAT)
            os.write(file, content)
            os.fdatasync(file)
            os.close(file)
        os.fsync(self._name)
        self._rows.add(str(len(parts)))


async def _body(receive: Any) -> bytes:
    pieces, more = list[bytes](), True
    while more:
        message = await receive()
        pieces.append(message["body"])
        more = message["more_body"]
    return b"".join(pieces)


async def _answer(send: Any, kind: str, pieces: list[bytes]) -> None:
    pieces.append(_END)
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % sum(map(len, pieces)))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def app() -> LeastWeb:
    return LeastWeb(Path(os.environ[FOLDER]))


def main(folder: str, port: str) -> None:
    os.environ[FOLDER] = folder
    uvicorn.run(
        "bench.least_web:app",
        factory=True,
        port=int(port),
        workers=2,
        lifespan="off",
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
