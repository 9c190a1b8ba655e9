"""WADO-RS of studies, series, instances and frames (PS3.18 §10.4), of a started server and the corpus."""

from __future__ import annotations

import http.client
import socket
import time
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.conformance.server import PATIENCE, Server
from tests.corpus import corpus_files, needs_corpus
from tests.dicomweb.retrieving import image, parts

warnings.filterwarnings("ignore", module="pydicom")

ROOT = "/dicom-web"
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
AS_STORED = "application/dicom; transfer-syntax=*"


class Instance:
    """What QIDO says of one."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.study, self.series, self.sop = (
            found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")
        )

    @property
    def path(self) -> str:
        return f"{ROOT}/studies/{self.study}/series/{self.series}/instances/{self.sop}"


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


@pytest.fixture(scope="module")
def corpus(server: Server) -> list[Instance]:
    instances = (Instance(found) for found in server.import_corpus())
    return [each for each in instances if each.study not in (STUDY, LONG["StudyInstanceUID"])]


@pytest.fixture(scope="module")
def originals() -> dict[str, list[bytes]]:
    """The corpus's files by SOP Instance UID; a few share one."""
    found = defaultdict[str, list[bytes]](list)
    for path in corpus_files():
        try:
            uid = str(dcmread(path, force=True, stop_before_pixels=True).get("SOPInstanceUID", ""))
        except Exception:  # nothing that could be stored either
            continue
        found[uid].append(path.read_bytes())
    return found


def as_it_came(body: bytes, files: Collection[bytes]) -> bool:
    """With a file header (PS3.10 §7.1) of the archive's if it came without one."""
    return body in files or body.endswith(tuple(file for file in files if file[128:132] != b"DICM"))


@needs_corpus
def test_every_real_file_comes_back_byte_for_byte(
    web: httpx.Client, corpus: list[Instance], originals: dict[str, list[bytes]]
) -> None:
    for each in corpus:
        answer = web.get(each.path, headers={"Accept": AS_STORED})
        assert answer.status_code == 200, each.path
        assert as_it_came(answer.content, originals[each.sop]), each.path


@needs_corpus
def test_every_study_comes_whole_in_parts_and_zipped(
    web: httpx.Client, corpus: list[Instance], originals: dict[str, list[bytes]]
) -> None:
    every = {content for files in originals.values() for content in files}
    by_study = defaultdict[str, list[Instance]](list)
    for each in corpus:
        by_study[each.study].append(each)
    for study, instances in by_study.items():
        path = f"{ROOT}/studies/{study}"
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        bodies = [body for _, body in parts(web.get(path, headers={"Accept": accept}))]
        assert len(bodies) == len(instances)
        assert all(as_it_came(body, every) for body in bodies)
        with zipfile.ZipFile(
            BytesIO(web.get(path, headers={"Accept": "application/zip"}).content)
        ) as archive:
            assert archive.testzip() is None
            assert sorted(archive.read(name) for name in archive.namelist()) == sorted(bodies)


@needs_corpus
def test_every_real_frame_as_stored_is_the_one_that_pydicom_finds(
    web: httpx.Client, corpus: list[Instance]
) -> None:
    """Case A22: fragments, offset tables and odd lengths of all kinds."""
    compared = 0
    for each in corpus:
        ds = dcmread(BytesIO(web.get(each.path, headers={"Accept": AS_STORED}).content), force=True)
        syntax = ds.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
        if "PixelData" not in ds or not syntax.is_encapsulated:
            continue
        try:
            expected = list(
                generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames") or 1))
            )
        except Exception:  # pydicom finds none: nothing to compare with
            continue
        answer = web.get(f"{each.path}/frames/1-{len(expected)}", headers={"Accept": OHIF})
        assert answer.status_code == 200, (each.path, answer.text)
        found = parts(answer)
        assert {head["content-type"] for head, _ in found} == {
            f"application/octet-stream; transfer-syntax={syntax}"
        }
        assert [body.rstrip(b"\0") for _, body in found] == [frame.rstrip(b"\0") for frame in expected]
        compared += 1
    assert compared > len(corpus) // 4


@needs_corpus
def test_every_real_file_is_converted_or_refused_with_a_reason(
    web: httpx.Client, corpus: list[Instance]
) -> None:
    """Case A21; nobody hears 500."""
    accept = f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
    refused = 0
    for each in corpus:
        answer = web.get(each.path, headers={"Accept": accept})
        if answer.status_code == 406:
            assert answer.json()["message"]
            refused += 1
            continue
        assert answer.status_code == 200, (each.path, answer.text)
        head = dcmread(BytesIO(answer.content), stop_before_pixels=True)
        assert head.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert head.SOPInstanceUID == each.sop
        assert web.get(each.path, headers={"Accept": "application/dicom"}).status_code == 200
    assert 0 < refused < len(corpus) // 8


@pytest.fixture(scope="module")
def stored(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A study of three images, made here."""
    folder = tmp_path_factory.mktemp("sent")
    files = [image(n, frames=[bytes([n, m]) * 12 for m in range(4)]) for n in (1, 2, 3)]
    for n, file in enumerate(files):
        (folder / f"{n}.dcm").write_bytes(file)
    server.quick_command("import", str(folder))
    return files


STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
ONE = f"{ROOT}/studies/{STUDY}/series/{SERIES}/instances/1.2.3.1.1.1"


def test_dicomweb_client_reads_everything(server: Server, stored: list[bytes]) -> None:
    headers = {"Authorization": f"Bearer {server.token()}"}
    client = DICOMwebClient(f"{server.url}{ROOT}", headers=headers)
    study = client.retrieve_study(STUDY)
    assert [ds.InstanceNumber for ds in study] == [1, 2, 3]
    assert [ds.SOPInstanceUID for ds in client.iter_series(STUDY, SERIES)] == [
        ds.SOPInstanceUID for ds in study
    ]
    one = client.retrieve_instance(STUDY, SERIES, "1.2.3.1.1.2", media_types=(("application/dicom", "*"),))
    assert one.PixelData == dcmread(BytesIO(stored[1])).PixelData
    for media_types in (
        None,
        (("application/octet-stream", "*"),),
        (("application/octet-stream", ExplicitVRLittleEndian),),
    ):
        frames = client.retrieve_instance_frames(STUDY, SERIES, "1.2.3.1.1.3", [4, 1, 1], media_types)
        assert frames == [bytes([3, m]) * 12 for m in (3, 0, 0)]


@pytest.mark.parametrize(
    ("lines", "status", "kind"),
    [
        ([], 200, "multipart/related"),
        (["*/*"], 200, "multipart/related"),
        (["text/html, */*;q=0.1"], 200, "multipart/related"),
        (["image/png", "application/dicom"], 200, "application/dicom"),
        (["application/zip;q=0.5", "application/dicom;q=0.4"], 200, "application/zip"),
        (["multipart/related;type=application/dicom;transfer-syntax=*"], 200, "multipart/related"),
        (["text/html"], 406, "application/json"),
        (["nonsense"], 400, "application/json"),
    ],
)
def test_accept_as_it_comes_over_the_wire(
    server: Server, stored: list[bytes], lines: list[str], status: int, kind: str
) -> None:
    """Case A20, without a client that adds headers of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=PATIENCE)
    connection.putrequest("GET", ONE, skip_accept_encoding=True)
    connection.putheader("Authorization", f"Bearer {server.token()}")
    for line in lines:
        connection.putheader("Accept", line)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert (answer.status, (answer.getheader("Content-Type") or "").partition(";")[0]) == (status, kind)


def test_accept_in_the_query(web: httpx.Client, stored: list[bytes]) -> None:
    answer = web.get(f"{ONE}?accept=application/dicom%3Btransfer-syntax%3D*", headers={"Accept": "image/png"})
    assert answer.content == stored[0]


@pytest.mark.parametrize(
    ("asked", "status"), [("1,3,2", 200), ("2,2", 200), ("0", 400), ("5", 404), ("1,5", 404), ("one", 400)]
)
def test_frame_lists(web: httpx.Client, stored: list[bytes], asked: str, status: int) -> None:
    """Case A26."""
    answer = web.get(f"{ONE}/frames/{asked}", headers={"Accept": OHIF})
    assert answer.status_code == status
    if status == 200:
        assert [body[1] + 1 for _, body in parts(answer)] == [int(n) for n in asked.split(",")]


def test_links_lead_back_through_the_proxy(web: httpx.Client, stored: list[bytes]) -> None:
    """Case A27: loopback is trusted by default."""
    said = {
        "X-Forwarded-Host": "pacs.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/imaging",
    }
    ((head, _),) = parts(web.get(f"{ONE}/frames/1", headers={**said, "Accept": OHIF}))
    assert head["content-location"] == f"https://pacs.example/imaging{ONE}/frames/1"


def test_a_retrieval_is_audited_with_its_correlation_id(
    server: Server, web: httpx.Client, stored: list[bytes]
) -> None:
    file = f"/wado?requestType=WADO&studyUID={STUDY}&seriesUID={SERIES}&objectUID=1.2.3.1.1.1"
    file += "&contentType=application/dicom"
    for number, path in (("wado-1", ONE), ("wado-2", f"{ONE}/frames/1"), ("wado-3", file)):
        assert web.head(path, headers={"X-Correlation-ID": number}).status_code == 200  # is given nothing
        assert web.get(path, headers={"X-Correlation-ID": number}).status_code == 200
        asked = f"SELECT count(*) FROM audit WHERE action = 'retrieve' AND correlation_id = '{number}'"
        deadline = time.monotonic() + PATIENCE
        while server.sql(asked) == "(0,)" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.sql(asked) == "(1,)"


LONG = {"StudyInstanceUID": "1.2.3.2", "SeriesInstanceUID": "1.2.3.2.1"}  # others count what is in theirs
LONG_SERIES = f"{ROOT}/studies/1.2.3.2/series/1.2.3.2.1"


@pytest.fixture(scope="module")
def long_one(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """An ultrasound of 2,000 frames, 128 MB."""
    path: Path = tmp_path_factory.mktemp("long") / "us.dcm"
    frames = [n.to_bytes(2, "little") * 32_768 for n in range(2000)]
    path.write_bytes(image(9, frames=frames, Rows=256, Columns=256, **LONG))
    server.quick_command("import", str(path))
    return frames


@pytest.fixture(scope="module")
def shorter_one(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its 400 frames, 26 MB: far more than sockets hold."""
    path: Path = tmp_path_factory.mktemp("shorter") / "us.dcm"
    path.write_bytes(image(10, frames=[bytes(65_536)] * 400, Rows=256, Columns=256, **LONG))
    server.quick_command("import", str(path))
    return f"{LONG_SERIES}/instances/1.2.3.1.1.10/frames/"


NINTH = f"{LONG_SERIES}/instances/1.2.3.1.1.9"


def test_two_thousand_frames_in_constant_memory(
    server: Server, web: httpx.Client, long_one: list[bytes]
) -> None:
    """Case A26: in one request as singly."""
    before = peak = server.memory()
    total = 0
    with web.stream("GET", f"{NINTH}/frames/1-2000", headers={"Accept": OHIF}) as answer:
        for piece in answer.iter_bytes(8 << 20):
            total += len(piece)
            peak = max(peak, server.memory())
    assert total == int(answer.headers["content-length"])
    assert total > 2000 * 65_536
    assert peak - before < 64 << 20
    for n in (1, 1000, 2000):
        ((_, body),) = parts(web.get(f"{NINTH}/frames/{n}", headers={"Accept": OHIF}))
        assert body == long_one[n - 1]


def open_blobs(server: Server) -> list[str]:
    files: list[str] = []
    for process in server.processes():
        with suppress(psutil.NoSuchProcess):
            files += [file.path for file in process.open_files() if "blake3" in file.path]
    return files


def test_callers_who_hang_up_hold_nobody(server: Server, web: httpx.Client, shorter_one: str) -> None:
    """Case A24: more of them than there are worker threads."""
    request = (
        f"GET {shorter_one}1-400 HTTP/1.1\r\nHost: 127.0.0.1:{server.http_port}\r\n"
        f"Authorization: Bearer {server.token()}\r\nAccept: {OHIF}\r\n\r\n"
    ).encode()
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=PATIENCE) as caller:
            caller.sendall(request)
            assert caller.recv(15).startswith(b"HTTP/1.1 200 OK")
    assert web.get(f"{shorter_one}7", headers={"Accept": OHIF}).status_code == 200
    deadline = time.monotonic() + PATIENCE
    while files := open_blobs(server):
        assert time.monotonic() < deadline, files
        time.sleep(0.02)
