"""QIDO-RS over a small index: what is answered, how pages follow each other, what is remarked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dicomweb.data_set_types import JSON
from dicomweb.search.qido import SearchSettings
from pacs.attributes import Level
from storage.database import Database
from tests.dicomweb.searching import BASE, one, searching, values
from tests.storage.bulk import Entity, add_organization

DOE = {
    "PatientName": "Doe^Jane=ドウ^ジェーン",
    "PatientID": "P_1%",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
}
ROSSI = {"PatientName": "Müller-Rossi^Änne", "PatientID": "P2"}
HEAD = {
    "StudyInstanceUID": "1.2.1",
    "StudyDate": "20240131",
    "StudyTime": "235900",
    "AccessionNumber": "A-1",
    "StudyID": "7",
    "StudyDescription": "Kopf nativ",
    "ModalitiesInStudy": "CT\\SR",
    "NumberOfStudyRelatedSeries": 2,
    "NumberOfStudyRelatedInstances": 3,
    "ReferringPhysicianName": "Haus^Gregor",
    "PatientWeight": "71.5",
}
CHEST = {
    "StudyInstanceUID": "1.2.2",
    "StudyDate": "20240201",
    "StudyTime": "000100",
    "ModalitiesInStudy": "CR",
    "StudyDescription": "Thorax",
}
OLD = {"StudyInstanceUID": "1.2.3", "ModalitiesInStudy": "MR", "StudyDescription": "100% _x_"}
REQUEST = {
    "00400009": {"vr": "SH", "Value": ["SPS1"]},
    "00401001": {"vr": "SH", "Value": ["RP1"]},
}
SERIES = {
    "SeriesInstanceUID": "1.3.1",
    "SeriesNumber": "2",
    "Modality": "CT",
    "RequestAttributesSequence": [REQUEST],
    "NumberOfSeriesRelatedInstances": 2,
}
IMAGE = {
    "SOPInstanceUID": "1.4.1",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "InstanceNumber": "1",
    "Rows": "512",
    "Columns": "512",
    "BitsAllocated": "16",
    "PixelSpacing": "0.5\\0.75",
    "AvailableTransferSyntaxUID": "1.2.840.10008.1.2.1",
}
WORLD = (
    Entity(Level.PATIENT, 1, 0, DOE),
    Entity(Level.PATIENT, 2, 0, ROSSI),
    Entity(Level.PATIENT, 3, 0, DOE),
    Entity(Level.STUDY, 1, 1, HEAD),
    Entity(Level.STUDY, 2, 2, CHEST),
    Entity(Level.STUDY, 3, 3, OLD),
    Entity(Level.SERIES, 1, 1, SERIES),
    Entity(Level.SERIES, 2, 1, {"SeriesInstanceUID": "1.3.2", "SeriesNumber": "1", "Modality": "SR"}),
    Entity(Level.SERIES, 3, 2, {"SeriesInstanceUID": "1.3.3", "Modality": "CR"}),
    Entity(Level.IMAGE, 1, 1, IMAGE),
    Entity(Level.IMAGE, 2, 1, {**IMAGE, "SOPInstanceUID": "1.4.2", "InstanceNumber": "2"}),
    Entity(Level.IMAGE, 3, 2, {"SOPInstanceUID": "1.4.3", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}),
)
STUDY_UID, NAME = "0020000D", "00100010"


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    with searching(database, WORLD) as started:
        yield started


def found(client: TestClient, path: str, **headers: str) -> list[dict[str, Any]]:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    answers: list[dict[str, Any]] = answer.json()
    return answers


def uids(client: TestClient, query: str) -> list[str]:
    return one(found(client, f"studies?{query}"), STUDY_UID)


def test_a_study_has_what_the_standard_requires(client: TestClient) -> None:
    [answer] = found(client, "studies?AccessionNumber=A-1")
    assert answer == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080020": {"vr": "DA", "Value": ["20240131"]},
        "00080030": {"vr": "TM", "Value": ["235900"]},
        "00080050": {"vr": "SH", "Value": ["A-1"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
        "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Haus^Gregor"}]},
        "00081030": {"vr": "LO", "Value": ["Kopf nativ"]},
        "00081190": {"vr": "UR", "Value": [f"{BASE}/studies/1.2.1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane", "Ideographic": "ドウ^ジェーン"}]},
        "00100020": {"vr": "LO", "Value": ["P_1%"]},
        "00100030": {"vr": "DA", "Value": ["19700101"]},
        "00100040": {"vr": "CS", "Value": ["F"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
        "00200010": {"vr": "SH", "Value": ["7"]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": [3]},
    }


def test_series_and_instances_name_their_parents_and_where_to_get_them(client: TestClient) -> None:
    second, first = reversed(found(client, "studies/1.2.1/series"))
    assert (values(first, "00200011"), values(second, "00200011")) == ([1], [2])
    assert values(second, "00081190") == [f"{BASE}/studies/1.2.1/series/1.3.1"]
    assert values(second, "00400275") == [REQUEST]
    assert "00400275" not in first
    assert NAME not in second
    [answer] = found(client, "studies/1.2.1/series/1.3.1/instances?InstanceNumber=2")
    assert values(answer, "00081190") == [f"{BASE}/studies/1.2.1/series/1.3.1/instances/1.4.2"]
    assert (values(answer, "00280010"), values(answer, "00080018")) == ([512], ["1.4.2"])
    assert "00080060" not in answer


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("series", ["1.3.1", "1.3.2", "1.3.3"]),
        ("studies/1.2.1/series", ["1.3.1", "1.3.2"]),
        ("instances", ["1.3.1", "1.3.1", "1.3.2"]),
        ("studies/1.2.1/instances", ["1.3.1", "1.3.1", "1.3.2"]),
        ("studies/1.2.1/series/1.3.1/instances", ["1.3.1", "1.3.1"]),
        ("studies/1.2.2/series/1.3.1/instances", []),
        ("studies/1.2.9/series", []),
        ("studies/1.2.1/series?StudyInstanceUID=1.2.2", []),
        ("studies/1.2.1/series?StudyInstanceUID=1.2.2,1.2.1&Modality=SR", ["1.3.2"]),
    ],
)
def test_every_nesting(client: TestClient, path: str, expected: list[str]) -> None:
    answers = found(client, path)
    assert sorted(one(answers, "0020000E")) == expected
    if answers and not path.startswith("studies/"):
        assert all(NAME in answer and "00080060" in answer for answer in answers)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["1.2.2", "1.2.1", "1.2.3"]),
        ("00080050=A-1", ["1.2.1"]),
        ("StudyInstanceUID=1.2.1,1.2.3", ["1.2.1", "1.2.3"]),
        ("StudyInstanceUID=1.2.1%5C1.2.3", ["1.2.1", "1.2.3"]),
        ("StudyInstanceUID=1.2.1&0020000D=1.2.3", ["1.2.1", "1.2.3"]),
        ("StudyInstanceUID=1.2.1*", ["1.2.1"]),
        ("ModalitiesInStudy=CR,MR", ["1.2.2", "1.2.3"]),
        ("Modality=SR", ["1.2.1"]),
        ("StudyDate=20240101-20240131", ["1.2.1"]),
        ("StudyDate=20240201-", ["1.2.2"]),
        ("StudyDate=-20240131*", ["1.2.1"]),
        ("StudyDate=20240131-20240201&StudyTime=235930-000130", ["1.2.2"]),
        ("StudyDescription=kopf*", ["1.2.1"]),
        ("StudyDescription=K?PF NATIV", ["1.2.1"]),
        ("StudyDescription=100%25*", ["1.2.3"]),
        ("StudyDescription=*%25*", ["1.2.3"]),
        ("StudyDescription=*_x_", ["1.2.3"]),
        ("StudyDescription=_opf nativ", []),
        ("PatientID=P_1%25", ["1.2.1", "1.2.3"]),
        ("PatientID=p2", []),
        ("PatientName=doe*", ["1.2.1", "1.2.3"]),
        ("PatientName=DOE%5EJANE", ["1.2.1", "1.2.3"]),
        ("PatientName=ドウ*", ["1.2.1", "1.2.3"]),
        ("PatientName=muller-rossi*", ["1.2.2"]),
        ("PatientName=Mueller", []),
        ("PatientName=Maier%5EAnne&fuzzymatching=true", []),
        ("PatientName=Mueller&fuzzymatching=true", ["1.2.2"]),
        ("PatientName=Jain%5EDoh&fuzzymatching=true", ["1.2.1", "1.2.3"]),
        ("PatientName=*&AccessionNumber=*&StudyInstanceUID=*&StudyDate=*", ["1.2.2", "1.2.1", "1.2.3"]),
        ("NumberOfStudyRelatedInstances=3", ["1.2.1"]),
        ("limit=1&offset=1", ["1.2.1"]),
        ("offset=5", []),
        ("limit=0", []),
    ],
)
def test_matching(client: TestClient, query: str, expected: list[str]) -> None:
    assert uids(client, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("00400275.00400009=SPS1", ["1.3.1"]),
        ("RequestAttributesSequence.ScheduledProcedureStepID=SPS*", ["1.3.1"]),
        ("RequestAttributesSequence.ScheduledProcedureStepID=SPS1&00400275.00401001=RP2", []),
        ("SeriesNumber=2", ["1.3.1"]),
    ],
)
def test_matching_of_series(client: TestClient, query: str, expected: list[str]) -> None:
    assert one(found(client, f"series?{query}"), "0020000E") == expected


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=yesterday",
        "StudyInstanceUID=abc",
        "limit=-1",
        "limit=x",
        "offset=1.5",
        "fuzzymatching=perhaps",
        "emptyvaluematching=perhaps",
        "multiplevaluematching=perhaps",
        "PatinetName=Doe",
        "patientname=Doe",
        "0010,0010=Doe",
        "(0010,0010)=Doe",
        "0x00100010=Doe",
        "00400275.00401001.=x",
        "PatientName.PatientID=x",
        "NumberOfStudyRelatedInstances=many",
        "TimezoneOffsetFromUTC=noon",
    ],
)
def test_what_cannot_be_understood_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"studies?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_QUERY")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("00091001=x", "00091001"),
        ("PatientAddress=x", "00101040"),
        ("SeriesDescription=x", "SeriesDescription"),
        ("includefield=00091001", "00091001"),
        ("includefield=NoSuchThing", "NoSuchThing"),
        ("ProcedureCodeSequence.PatientID=x", "ProcedureCodeSequence.PatientID"),
        ("orderby=PatientName,x", "orderby"),
        ("=x", ""),
        ("%22%0d%0a%3Cscript%3E=x", "????script?"),
    ],
)
def test_what_is_ignored_is_said_to_be(client: TestClient, query: str, named: str) -> None:
    answer = client.get(f"studies?{query}")
    assert answer.status_code == 200
    assert answer.headers["Warning"] == f'299 {BASE} "Not supported here and ignored: {named}"'


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", ["1.2.2", "1.2.1", "1.2.3"]),
        ("StudyDate", ["1.2.3", "1.2.1", "1.2.2"]),
        ("StudyDescription", ["1.2.3", "1.2.1", "1.2.2"]),
        ("-00081030", ["1.2.2", "1.2.1", "1.2.3"]),
        ("-PatientName,StudyDate", ["1.2.2", "1.2.3", "1.2.1"]),
    ],
)
def test_studies_in_another_order(client: TestClient, order: str, expected: list[str]) -> None:
    answer = client.get(f"studies?orderby={order}")
    assert "Warning" not in answer.headers
    assert one(answer.json(), "0020000D") == expected
    paged = [found(client, f"studies?orderby={order}&limit=1&offset={at}") for at in range(3)]
    assert one([page[0] for page in paged], "0020000D") == expected


def test_only_studies_are_sorted(client: TestClient) -> None:
    assert "ignored: orderby" in client.get("series?orderby=PatientName").headers["Warning"]


@pytest.mark.parametrize("value", ["true", "false"])
def test_what_is_always_matched_may_be_asked_for(client: TestClient, value: str) -> None:
    """PS3.18 §8.3.4.5 and .6; a warning would say that it was not done."""
    query = f'emptyvaluematching={value}&multiplevaluematching={value}&AccessionNumber=A-1%5C""'
    answer = client.get(f"studies?{query}")
    assert "Warning" not in answer.headers
    assert answer.json() == client.get('studies?AccessionNumber=A-1%5C""').json() != []


def test_parameters_of_other_layers_are_no_keys(client: TestClient) -> None:
    answer = client.get("studies?_=123&charset=utf-8&accept=application/dicom%2Bjson")
    assert "Warning" not in answer.headers


def test_fields_are_included_by_keyword_tag_comma_and_repetition(client: TestClient) -> None:
    query = "includefield=PatientWeight,00101010&includefield=00081040&includefield=00400275.00400009"
    [answer] = found(client, f"studies?AccessionNumber=A-1&{query}")
    assert answer["00101030"] == {"vr": "DS", "Value": ["71.5"]}
    assert answer["00101010"] == {"vr": "AS"}
    assert "00081040" not in answer
    [series] = found(client, "studies/1.2.1/series?Modality=CT&includefield=StudyDate&includefield=00100010")
    assert (values(series, "00080020"), NAME in series) == (["20240131"], True)


def test_all_is_every_attribute_that_is_indexed(client: TestClient) -> None:
    answer = found(client, "studies/1.2.1/series/1.3.1/instances?includefield=all")[0]
    assert values(answer, "00280030") == ["0.5", "0.75"]
    assert values(answer, "00080060") == ["CT"]
    assert values(answer, "00101030") == ["71.5"]


def test_a_page_says_how_many_there_are_and_that_there_is_more(client: TestClient) -> None:
    first = client.get("studies?limit=2")
    assert first.headers["X-Total-Count"] == "3"
    assert first.headers["Warning"] == f'299 {BASE} "There are 1 additional results that can be requested."'
    last = client.get("studies?limit=2&offset=2")
    assert (last.headers["X-Total-Count"], "Warning" in last.headers) == ("3", False)
    beyond = client.get("studies?limit=2&offset=9")
    assert (beyond.headers["X-Total-Count"], beyond.json()) == ("3", [])


def test_no_page_is_longer_than_the_server_allows(database: Database) -> None:
    with searching(database, WORLD, SearchSettings(max_answers=2)) as client:
        for query in ("", "?limit=100"):
            answer = client.get(f"studies{query}")
            assert len(answer.json()) == 2
            assert "exceeded the maximum supported by the server" in answer.headers["Warning"]


def test_nothing_found_is_an_empty_list_or_no_content(client: TestClient, database: Database) -> None:
    answer = client.get("studies?PatientID=nobody")
    assert (answer.status_code, answer.json(), answer.headers["X-Total-Count"]) == (200, [], "0")
    with searching(database, settings=SearchSettings(no_content=True)) as other:
        answer = other.get("studies?PatientID=nobody")
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("accept", "status", "media_type"),
    [
        ("", 200, JSON),
        ("*/*", 200, JSON),
        ("application/json", 200, "application/json"),
        ("application/dicom+json, application/json", 200, JSON),
        ('multipart/related; type="application/dicom+xml"', 200, "multipart/related"),
        ("application/dicom+xml", 200, "multipart/related"),
        (
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            200,
            "application/dicom+json",
        ),
        ('multipart/related;type="image/jls";q=0.1', 200, JSON),
        ("text/html, */*;q=0.1", 200, JSON),
        ("image/png", 406, "application/json"),
    ],
)
def test_media_types(client: TestClient, accept: str, status: int, media_type: str) -> None:
    answer = client.get("studies", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (status, media_type)


def test_another_organisation_finds_nothing_of_this_one(database: Database) -> None:
    theirs = [replace(entity, organization=2) for entity in WORLD]
    with database.write() as connection:
        add_organization(connection, 2)
    with searching(database, theirs) as client:
        for path in ("studies", "series", "instances", "studies/1.2.1/series"):
            answer = client.get(path)
            assert (answer.json(), answer.headers["X-Total-Count"]) == ([], "0")
