"""Rendered images and WADO-URI of a started server (PS3.18 §9, §10.4): the corpus, poison, caps."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image, ImageSequence
from pydicom import Dataset, dcmread

from tests.conformance.server import PATIENCE, Server
from tests.corpus import SHARED_DATA, needs_corpus
from tests.dicomweb.retrieving import image, parts
from tests.programs import needs

ROOT = "/dicom-web"


def path_to(ds: Dataset, level: int = 3) -> str:
    uids = (
        ("studies", ds.StudyInstanceUID),
        ("series", ds.SeriesInstanceUID),
        ("instances", ds.SOPInstanceUID),
    )
    return ROOT + "".join(f"/{name}/{uid}" for name, uid in uids[:level])


def store(web: httpx.Client, data: bytes) -> str:
    """The path of the instance."""
    answer = web.post(f"{ROOT}/studies", content=data, headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 200, answer.text
    return path_to(dcmread(BytesIO(data), stop_before_pixels=True))


def pixels(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(BytesIO(answer.content)))


def large(number: int, side: int = 64, frames: int = 1, bits: int = 8) -> bytes:
    rng = np.random.default_rng(number)
    data = rng.integers(0, 1 << bits, side * side, f"u{bits // 8}").tobytes()
    turned = [data[n * side :] + data[: n * side] for n in range(frames)]
    return image(number, frames=turned, Rows=side, Columns=side, BitsAllocated=bits, BitsStored=bits)


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


@needs_corpus
def test_every_real_instance_is_shown_or_refused_with_a_reason(server: Server, web: httpx.Client) -> None:
    found, shown = server.import_corpus(), dict[str, int]()
    for each in found:
        study, series, sop = (each[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
        path = f"{ROOT}/studies/{study}/series/{series}/instances/{sop}"
        answer = web.get(f"{path}/rendered")
        kind = answer.headers["content-type"].partition(";")[0]
        assert answer.status_code in (200, 406), (path, answer.text)
        if answer.status_code == 406:
            assert len(answer.json()["message"]) > 10
            assert (
                web.get(path, headers={"Accept": "application/dicom; transfer-syntax=*"}).status_code == 200
            )
        elif kind == "image/jpeg" and "00280011" in each:  # presentation states have no size
            size = each["00280011"]["Value"][0], each["00280010"]["Value"][0]
            assert Image.open(BytesIO(answer.content)).size == size
        shown[kind] = shown.get(kind, 0) + 1
    assert shown["image/jpeg"] > len(found) // 2
    assert {
        "application/pdf",
        "text/html",
        "video/mp4",
        "video/mpeg",
        "text/xml",
        "model/stl",
    } <= shown.keys()


@needs_corpus
@needs("dcmj2pnm")
@pytest.mark.parametrize(
    ("pattern", "window"),
    [("ct/CT_small.dcm", (40, 400)), ("ct/ct-3slice/01.dcm", (50, 350)), ("mr/*.dcm", (300, 600))],
)
def test_means_are_those_of_dcmtk(
    web: httpx.Client, tmp_path: Path, pattern: str, window: tuple[int, int]
) -> None:
    file = sorted(SHARED_DATA.glob(pattern))[0]
    path = store(web, file.read_bytes())
    center, width = window
    ours = pixels(web.get(f"{path}/rendered?window={center},{width},linear&accept=image/png"))
    subprocess.run(
        ["dcmj2pnm", "+Ww", str(center), str(width), str(file), str(tmp_path / "theirs.pgm")], check=True
    )
    theirs = np.asarray(Image.open(tmp_path / "theirs.pgm"))
    assert ours.shape == theirs.shape
    assert abs(float(ours.mean()) - float(theirs.mean())) <= 1


def test_it_is_made_once_and_known_again(web: httpx.Client) -> None:
    path = store(web, large(1))
    sop = path.rpartition("/")[2]
    first = web.get(f"{path}/rendered?quality=31")
    second = web.get(f"{path}/rendered?quality=31")
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("MISS", "HIT")
    assert first.content == second.content
    assert first.headers["Cache-Control"] == "private, max-age=3600"
    known = web.get(f"{path}/rendered?quality=31", headers={"If-None-Match": first.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert web.post(f"/api/v1/images/{sop}/invalidate-cache").status_code == 204
    assert web.get(f"{path}/rendered?quality=31").headers["X-Cache"] == "MISS"
    told = web.get("/api/v1/images/cache-stats").json()
    assert told["hits"] >= 1
    assert told["misses"] >= 2
    assert told["entries"] >= 1
    assert 0 < told["hit_rate"] < 1


def test_two_organisations_see_nothing_of_each_other(server: Server, web: httpx.Client) -> None:
    path = store(web, large(2))
    sop = path.rpartition("/")[2]
    uids = dict(zip(("studyUID", "seriesUID", "objectUID"), path.split("/")[3::2], strict=True))
    assert web.get(f"{path}/rendered").status_code == 200
    with server.web("viewer", "elsewhere") as theirs:
        for level in range(3):
            short = "/".join(path.split("/")[: 4 + 2 * level])
            assert theirs.get(f"{short}/rendered").status_code == 404
            assert theirs.get(f"{short}/thumbnail").status_code == 404
        assert theirs.get(f"{path}/frames/1/rendered").status_code == 404
        for name in ("thumbnail", "preview", "webp", "full", "data"):
            assert theirs.get(f"/api/v1/images/{sop}/{name}").status_code == 404
        assert theirs.get("/wado", params={"requestType": "WADO", **uids}).status_code == 404
        assert theirs.get("/api/v1/images/cache-stats").json()["entries"] == 0
    with server.web("technician", "elsewhere") as theirs:
        assert theirs.post(f"/api/v1/images/{sop}/invalidate-cache").status_code == 404
        store(theirs, large(2))  # the very same bytes
        assert theirs.get(f"{path}/rendered").headers["X-Cache"] == "MISS"


def test_without_a_token_there_is_nothing(server: Server, web: httpx.Client) -> None:
    path = store(web, large(2))
    for each in (f"{path}/rendered", f"{path}/thumbnail", "/wado", "/api/v1/images/cache-stats"):
        assert server.get(each)[0] == 401


def test_a_caller_who_leaves_holds_nothing_up(server: Server, web: httpx.Client) -> None:
    path = store(web, large(3, side=512, frames=30))
    for number in range(8):
        with socket.create_connection(("127.0.0.1", server.http_port)) as peer:
            asked = f"{path}/rendered?quality={number + 1}&accept=multipart/related;type=image/png"
            peer.sendall(
                f"GET {asked} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token()}\r\n\r\n".encode()
            )
            assert peer.recv(15).startswith(b"HTTP/1.1 200")
    assert web.get(f"{path}/frames/2/rendered").status_code == 200
    answer = web.get(f"{path}/rendered", headers={"Accept": 'multipart/related; type="image/jpeg"'})
    assert len(parts(answer)) == 30
    moving = Image.open(BytesIO(web.get(f"{path}/frames/1-3/rendered?accept=image/gif").content))
    assert sum(1 for _ in ImageSequence.Iterator(moving)) == 3


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Server]:
    """A server that gives an image little time, little memory and little room."""
    limits = {
        "PACS_PIXEL_TIMEOUT": "10",  # what takes too much memory must be done with it by then
        "PACS_PIXEL_MEMORY": "400 MiB",
        "PACS_PIXEL_PROCESSES": "2",
        "PACS_CACHE_SIZE": "300 KiB",
    }
    started = Server(tmp_path / "data", limits)
    started.start()
    yield started
    started.stop()


def in_the_end(get: Callable[[str], httpx.Response], path: str) -> httpx.Response:
    """A busy machine may ask to come back first."""
    deadline = time.monotonic() + PATIENCE
    while (answer := get(path)).status_code == 503 and time.monotonic() < deadline:
        pass
    return answer


def test_a_poisoned_image_fails_alone(strict: Server) -> None:
    with strict.web() as web:
        greedy = store(web, large(1, side=6000, bits=32))
        slow, long = store(web, large(2, side=512, frames=90)), ",".join(["1-90"] * 8)
        good = store(web, large(3))
        with ThreadPoolExecutor(8) as threads:

            def get(path: str) -> httpx.Response:
                return web.get(path)

            bad = [
                threads.submit(get, path)
                for path in (f"{greedy}/rendered", f"{slow}/frames/{long}/rendered?accept=image/webp")
            ]
            fine = [threads.submit(in_the_end, get, f"{good}/rendered?quality={n}") for n in range(1, 21)]
            assert {each.result().status_code for each in fine} == {200}
            answers = [each.result() for each in bad]
        assert answers[0].status_code == 406 and "memory" in answers[0].json()["message"]
        told = answers[1].status_code, answers[1].json()["message"][:23]
        busy = 503, "images take too long to"
        assert told in {(406, "this image takes longer"), busy}
        assert web.get(f"{slow}/frames/90/rendered").status_code == 200
        series = web.get(f"{good.rpartition('/instances')[0]}/rendered")
        assert len(parts(series)) == 2  # and the greedy one is left out


def test_a_killed_worker_is_replaced(strict: Server) -> None:
    with strict.web() as web:
        path = store(web, large(1))
        for quality in range(1, 5):
            assert web.get(f"{path}/rendered?quality={quality}").status_code == 200
            server, *children = strict.processes()
            workers = [each for each in children if each.ppid() != server.pid]
            assert workers
            for each in workers:
                os.kill(each.pid, signal.SIGKILL)


def test_the_cache_keeps_to_its_size(strict: Server) -> None:
    with strict.web() as web:
        path = store(web, large(1, side=128))
        for quality in range(1, 101):
            assert web.get(f"{path}/rendered?quality={quality}").headers["X-Cache"] == "MISS"
            kept = web.get("/api/v1/images/cache-stats").json()["bytes"]
            assert kept <= 300 << 10
        assert kept > 100 << 10
        for file in (strict.data / "cache").rglob("*"):
            if file.is_file() and file.name != "total":
                file.write_bytes(b"damaged")
        assert web.get(f"{path}/rendered?quality=100").headers["X-Cache"] == "MISS"
