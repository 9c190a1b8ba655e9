"""A long ultrasound: 2,000 frames, each a fragment of its own, as they were and in any number at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydicom.uid import JPEGBaseline8Bit

from tests.conformance.server import Server
from tests.dicomweb.retrieving import image, parts

COUNT, LENGTH, MIB = 2000, 64 << 10, 1 << 20
ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"
PATH = "/dicom-web/studies/1.2.3.1/series/1.2.3.1.1/instances/1.2.3.1.1.1"


def frame(number: int) -> bytes:
    """Of the length of a JPEG image of a scanner, and like no other."""
    return (b"\xff\xd8" + hashlib.shake_256(number.to_bytes(2, "big")).digest(LENGTH - 4)) + b"\xff\xd9"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With its folder only: the object store of the tests copies all of an object to give a piece of it."""
    started = Server(tmp_path_factory.mktemp("ultrasound") / "data")
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def web(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    path: Path = tmp_path_factory.mktemp("long") / "us.dcm"
    frames = [frame(number) for number in range(1, COUNT + 1)]
    path.write_bytes(image(1, JPEGBaseline8Bit, frames, Rows=512, Columns=512))
    server.quick_command("import", str(path))
    with server.web() as client:
        yield client


def test_all_in_one_request_are_streamed(server: Server, web: httpx.Client) -> None:
    """128 MB, in memory that does not depend on them; each part is the frame that was sent."""
    before = peak = server.memory()
    received, number = bytearray(), 0
    with web.stream("GET", f"{PATH}/frames/1-{COUNT}", headers={"Accept": ACCEPT}) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes(4 * MIB):
            received += piece
            peak = max(peak, server.memory())
            while len(received) > LENGTH + 4096:
                number += 1
                start = received.index(b"\r\n\r\n") + 4
                assert received[start : start + LENGTH] == frame(number), number
                del received[: start + LENGTH]
    assert number >= COUNT - 1
    start = received.find(b"\r\n\r\n") + 4
    assert number == COUNT or received[start : start + LENGTH] == frame(COUNT)
    assert peak - before < COUNT * LENGTH / 2, f"{(peak - before) / MIB:.0f} MiB more"


def test_singly_as_all_at_once(web: httpx.Client) -> None:
    """Case A26: from both ends and through the middle, alone and in lists of any order."""
    for number in (*range(1, COUNT, 37), COUNT):
        ((_, body),) = parts(web.get(f"{PATH}/frames/{number}", headers={"Accept": ACCEPT}))
        assert body == frame(number), number
    asked = [COUNT, 1, 999, 3, 3, 1000]
    found = parts(web.get(f"{PATH}/frames/{','.join(map(str, asked))}", headers={"Accept": ACCEPT}))
    assert [body for _, body in found] == [frame(number) for number in asked]
    assert web.get(f"{PATH}/frames/{COUNT + 1}", headers={"Accept": ACCEPT}).status_code == 404
