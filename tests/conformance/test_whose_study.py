"""Different people with one Patient ID, as from emergency rooms and foreign CDs: who each study is of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_context

from tests.conformance.senders import Modality, finding, small_ct
from tests.conformance.server import Server
from tests.conformance.test_rest import as_file

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
PEOPLE = {"Ambrose^Ann": ("19700101", "F"), "Zeller^Otto": ("19551231", "M")}
ID = "EMERGENCY-1"


@dataclass(frozen=True)
class Shared:
    """The UIDs of their studies, by name."""

    server: Server
    web: httpx.Client
    uids: dict[str, str]


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Shared]:
    """The first one's by C-STORE, the second one's by STOW-RS."""
    with server.web() as web:
        uids = {name: generate_uid() for name in PEOPLE}
        for name, (born, sex) in PEOPLE.items():
            ct = small_ct(uids[name], generate_uid(), patient=ID)
            ct.PatientName, ct.PatientBirthDate, ct.PatientSex = name, born, sex
            if name == "Ambrose^Ann":
                assert Modality(server.dimse_port, uids[name]).send_one(ct) == 0
                continue
            header = {"Content-Type": "application/dicom"}
            assert web.post("/dicom-web/studies", content=as_file(ct), headers=header).status_code == 200
        yield Shared(server, web, uids)


def people(found: list[dict[str, dict[str, list[dict[str, str]]]]]) -> list[str]:
    return [each["00100010"]["Value"][0]["Alphabetic"] for each in found]


def test_lists_name_each_studys_own_patient(shared: Shared) -> None:
    for by in ("PatientName", "-PatientName"):
        found = shared.web.get("/dicom-web/studies", params={"PatientID": ID, "orderby": by}).json()
        assert people(found) == sorted(PEOPLE, reverse=by.startswith("-"))
    items = shared.web.get("/api/v1/studies", params={"patient_id": ID, "sort": "patient_name"}).json()[
        "items"
    ]
    assert [each["patient"]["name"] for each in items] == list(PEOPLE)
    assert [each["patient"]["birth_date"] for each in items] == ["1970-01-01", "1955-12-31"]
    assert [each["patient"]["sex"] for each in items] == ["F", "M"]
    assert [each["flags"] for each in items] == [["shared_patient_id"]] * 2


@pytest.mark.parametrize("name", PEOPLE)
def test_each_is_found_by_any_part_of_the_own_name(shared: Shared, name: str) -> None:
    family, given = name.split("^")
    mine = [shared.uids[name]]
    fuzzy = {"PatientName": family.lower(), "fuzzymatching": "true"}
    for keys in (
        *(
            {"PatientName": each}
            for each in (name, f"{family[:3]}*", f"*{family[2:5].lower()}*", f"*^{given}")
        ),
        {"PatientBirthDate": PEOPLE[name][0]},
        {"PatientSex": PEOPLE[name][1]},
        fuzzy,
    ):
        found = shared.web.get("/dicom-web/studies", params={"PatientID": ID, **keys}).json()
        assert [each["0020000D"]["Value"][0] for each in found] == mine, keys
        below = shared.web.get("/dicom-web/series", params={"PatientID": ID, **keys}).json()
        assert [each["0020000D"]["Value"][0] for each in below] == mine, keys
    items = shared.web.get("/api/v1/studies", params={"patient_id": ID, "patient_name": family}).json()[
        "items"
    ]
    assert [each["study_instance_uid"] for each in items] == mine


@pytest.mark.parametrize("name", PEOPLE)
def test_c_find_answers_the_own_name(shared: Shared, name: str) -> None:
    ask = Dataset()
    ask.QueryRetrieveLevel, ask.PatientID, ask.PatientName = "STUDY", ID, f"{name[:4]}*"
    ask.PatientBirthDate = ask.StudyInstanceUID = ""
    with finding(shared.server.dimse_port) as asked:
        (answer,) = asked(ask)
        assert (answer.PatientName, answer.PatientBirthDate) == (name, PEOPLE[name][0])
        assert answer.StudyInstanceUID == shared.uids[name]


def test_at_patient_level_one_id_is_one_patient_by_the_first_name(shared: Shared) -> None:
    ask = Dataset()
    ask.QueryRetrieveLevel, ask.PatientID, ask.PatientName = "PATIENT", ID, ""
    ask.NumberOfPatientRelatedStudies = ""
    association = AE(ae_title="ASKER").associate(
        "127.0.0.1", shared.server.dimse_port, [build_context(PATIENT_ROOT)], ae_title="PACS"
    )
    assert association.is_established
    answers = [found for _, found in association.send_c_find(ask, PATIENT_ROOT) if found is not None]
    association.release()
    assert [(str(each.PatientName), each.NumberOfPatientRelatedStudies) for each in answers] == [
        ("Ambrose^Ann", 2)
    ]


def test_an_old_index_learns_the_names_by_reindex(shared: Shared) -> None:
    if not shared.server.embedded:
        pytest.skip("the command is the same; the rows are tested in tests/storage")
    with closing(sqlite3.connect(shared.server.data / "pacs.db")) as database, database:
        database.execute(
            "update studies set patient_name = 'Ambrose^Ann', patient_name_key = '=ambrose^ann==', "
            "patient_birth_date = '19700101', patient_sex = 'F'"
        )
    params = {"PatientID": ID, "orderby": "PatientName"}
    assert people(shared.web.get("/dicom-web/studies", params=params).json()) == ["Ambrose^Ann"] * 2
    assert "brought up to date" in shared.server.command("reindex")
    assert people(shared.web.get("/dicom-web/studies", params=params).json()) == list(PEOPLE)
