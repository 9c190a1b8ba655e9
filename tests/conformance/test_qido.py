"""QIDO-RS against a started server: dicomweb-client and bare requests, real character sets, viewers' URLs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import generate_uid
from pydicom.valuerep import PersonName
from requests import Session

from tests.conformance.raw import Sendable, send, send_bytes, sendable
from tests.conformance.senders import small_ct
from tests.conformance.server import Server
from tests.corpus import SHARED_DATA, needs_corpus

CHARSETS = sorted((SHARED_DATA / "charsets").glob("chr*.dcm")) if SHARED_DATA.is_dir() else []
"""David Clunie's SCS* files, one for each character set and its code extensions."""
MISREAD = {"chrGB2312": "Zhang^XiaoDong=张^小东"}
"""pydicom leaves this one's escape sequences in."""
NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
OHIF = (
    "/dicom-web/studies?PatientName=*viewer*&00100020=*OHIF*&AccessionNumber=*-7*&StudyDescription=*head*"
    "&ModalitiesInStudy=CT&StudyDate=20240101-20241231&limit=101&offset=0&fuzzymatching=false"
    "&includefield=00081030%2C00080060%2C00080090%2C00100030"
)
"""As OHIF asks when every filter of its list is filled in."""

READ_BY_OHIF = """
0020000D 00080020 00080030 00080050 00100020 00100010 00100030 00201208 00081030 00080061 00080090
"""

Answers = list[dict[str, Any]]


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


def found(web: httpx.Client, path: str, **parameters: str) -> Answers:
    answer = web.get(f"/dicom-web/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    answers: Answers = answer.json()
    return answers


def keep(server: Server, ds: Dataset) -> None:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = True, True
    write_dataset(stream, ds)
    announced = (ds.SOPClassUID, ds.SOPInstanceUID, str(ds.file_meta.TransferSyntaxUID))
    assert send_bytes(server.dimse_port, announced, stream.getvalue()) == 0x0000


def study(server: Server, **attributes: str) -> str:
    ds = small_ct(generate_uid(), generate_uid(), attributes.get("PatientID", "QIDO"), side=4)
    ds.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    keep(server, ds)
    return str(ds.StudyInstanceUID)


@pytest.fixture(scope="module")
def viewed(server: Server) -> str:
    """The one study that OHIF's query is after."""
    return study(
        server,
        PatientName="Viewer^Vera",
        PatientID="OHIF-1",
        AccessionNumber="A-77",
        StudyDescription="Head without contrast",
        StudyDate="20240607",
    )


@pytest.fixture(scope="module")
def client(server: Server) -> DICOMwebClient:
    session = Session()
    session.headers["Authorization"] = f"Bearer {server.token()}"
    return DICOMwebClient(f"{server.url}/dicom-web", session=session)


def test_the_query_of_ohif(server: Server, web: httpx.Client, viewed: str) -> None:
    accept = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
    for headers in ({"Accept": "application/dicom+json"}, accept):
        answer = web.get(OHIF, headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/dicom+json")
        assert (answer.headers["X-Total-Count"], "Warning" in answer.headers) == ("1", False)
        [one] = answer.json()
        assert set(READ_BY_OHIF.split()) <= set(one)
        assert one["0020000D"]["Value"] == [viewed]
        assert one["00081190"]["Value"] == [f"{server.url}/dicom-web/studies/{viewed}"]
    [series] = found(web, f"studies/{viewed}/series", includefield="0008103E,00080021")
    assert {"0020000E", "00080060", "00200011", "00080021", "00201209"} <= set(series)
    assert series["00201209"]["Value"] == [1]


def test_dicomweb_client_searches_every_level(client: DICOMwebClient, viewed: str) -> None:
    [one] = client.search_for_studies(search_filters={"PatientID": "OHIF-1"}, fields=["PatientWeight"])
    assert Dataset.from_json(one).PatientName == "Viewer^Vera"
    [series] = client.search_for_series(viewed, search_filters={"Modality": "CT"})
    uid = Dataset.from_json(series).SeriesInstanceUID
    [instance] = client.search_for_instances(viewed, uid, fields=["all"])
    assert Dataset.from_json(instance).Rows == 4
    assert len(client.search_for_instances(viewed)) == 1
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    assert len(client.search_for_studies(limit=1, get_remaining=True)) == len(client.search_for_studies())


def test_the_native_model_says_the_same_as_json(web: httpx.Client, viewed: str) -> None:
    answer = web.get(OHIF, headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    boundary = answer.headers["Content-Type"].split("boundary=")[1]
    _, part, end = answer.content.split(f"--{boundary}".encode())
    assert end.strip() == b"--"
    head, _, body = part.partition(b"\r\n\r\n")
    assert head.strip().splitlines() == [
        b"Content-Type: application/dicom+xml",
        b"Content-Length: %d" % len(body.removesuffix(b"\r\n")),
    ]
    attributes = {each.attrib["tag"]: each for each in ElementTree.fromstring(body)}
    assert set(attributes) == set(web.get(OHIF).json()[0])
    assert attributes["0020000D"].findtext(f"{NATIVE}Value") == viewed
    assert attributes["00100010"].findtext(f".//{NATIVE}FamilyName") == "Viewer"


@needs_corpus
@pytest.mark.parametrize("path", CHARSETS, ids=[path.stem for path in CHARSETS])
def test_every_character_set_is_found_and_answered_in_unicode(
    server: Server, web: httpx.Client, path: Path
) -> None:
    ds = dcmread(path)
    file = sendable(path)
    if not isinstance(file, Sendable) or "StudyInstanceUID" not in ds:
        pytest.skip("this file has no Study Instance UID, so it has no place in the archive")
    assert send(server.dimse_port, file) == 0x0000
    [answer] = found(web, "studies", StudyInstanceUID=ds.StudyInstanceUID)
    name = PersonName(MISREAD[path.stem]) if path.stem in MISREAD else ds.PatientName
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    assert answer["00080005"]["Value"] == ["ISO_IR 192"]
    assert answer["00100010"]["Value"] == [{key: group for key, group in groups.items() if group}]
    for group in filter(None, groups.values()):
        asked = [group, f"{group.split('^')[0]}*", f"*{group[1:]}", group.upper()]
        for value in asked:
            matches = found(web, "studies", PatientName=value)
            assert ds.StudyInstanceUID in [m["0020000D"]["Value"][0] for m in matches], value


NAMES = {
    "Müller^Jürgen": ["muller", "Mueller", "MÜLLER", "Miller", "jurgen muller", "Müler"],
    "Иванов^Пётр": ["ivanov", "Ivanoff", "иванов", "petr ivanov", "Пётр"],
    "Παπαδόπουλος^Γιώργος": ["papadopoulos", "Παπαδοπουλος"],
    "Yamada^Tarou=山田^太郎=やまだ^たろう": ["山田", "太郎", "ヤマダ", "やまだ", "yamata", "Taro"],
    "=洪^吉洞=홍^길동": ["홍", "洪", "gildong", "Hong"],
    "Łukasiewicz^Zoë": ["lukasiewicz", "Lukasievitch", "zoe"],
    "=鈴木^花子=すずき^はなこ": ["suzuki", "Susuki", "hanako suzuki", "スズキ"],
    "O'Brien^Seán": ["obrien", "o'brien", "Sean"],
}


@pytest.fixture(scope="module")
def named(server: Server) -> dict[str, str]:
    return {name: study(server, PatientName=name, PatientID=f"N{n}") for n, name in enumerate(NAMES)}


@pytest.mark.parametrize(
    ("name", "asked"), [(name, asked) for name, every in NAMES.items() for asked in every]
)
def test_fuzzy_matching(web: httpx.Client, named: dict[str, str], name: str, asked: str) -> None:
    answers = found(web, "studies", PatientName=asked, fuzzymatching="true")
    uids = [answer["0020000D"]["Value"][0] for answer in answers]
    assert named[name] in uids
    assert len(uids) < len(NAMES)


def test_pages_neither_repeat_nor_leave_out_while_studies_come_in(server: Server, web: httpx.Client) -> None:
    mine = [study(server, PatientID="PAGED", StudyDate=f"202401{day:02}") for day in range(1, 8)]
    seen: list[str] = []
    for offset in range(0, 8, 2):
        page = found(web, "studies", PatientID="PAGED", limit="2", offset=str(offset))
        seen += [answer["0020000D"]["Value"][0] for answer in page]
        study(server, PatientID="PAGED", StudyDate="20250101")
    assert seen == mine[::-1]


def test_another_organisation_finds_nothing(server: Server, web: httpx.Client, viewed: str) -> None:
    with server.web("viewer", "elsewhere") as other:
        for path in ("studies", "series", "instances", f"studies/{viewed}/series"):
            answer = other.get(f"/dicom-web/{path}")
            assert (answer.status_code, answer.json(), answer.headers["X-Total-Count"]) == (200, [], "0")
    assert httpx.get(f"{server.url}/dicom-web/studies").status_code == 401
