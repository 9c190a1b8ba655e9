"""Keys made by an older rule are made anew, and nothing else is touched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from pacs.actor import Actor
from storage.accounts import organizations
from storage.database import Database
from storage.upkeep.rekey import rekey
from tests.storage.received import MODALITY, received
from tests.storage.world import actions, assert_counts_true, opened, rows, store


def test_old_keys_are_made_anew_and_found_again(database: Database) -> None:
    with opened(database) as entries:
        store(entries, received())
    before = rows(database, "SELECT * FROM patients"), rows(database, "SELECT * FROM studies")
    assert rekey(database) == 0
    with database.write() as connection:
        connection.execute(text("UPDATE patients SET patient_name_key = 'as it was once'"))
        connection.execute(text("UPDATE studies SET study_date_key = NULL"))
    assert rekey(database) == 2
    assert (rows(database, "SELECT * FROM patients"), rows(database, "SELECT * FROM studies")) == before
    assert rekey(database) == 0


VALUES = ("patient_id", "issuer_of_patient_id", "accession_number", "study_description")
WITH_STUDIES = f"""SELECT s.study_instance_uid, {", ".join(VALUES)}, p.patient_birth_date, identity
    FROM patients p JOIN studies s ON s.patient_pk = p.pk ORDER BY 1"""


def test_values_that_an_earlier_build_kept_with_their_padding_lose_it(database: Database) -> None:
    padded: dict[str, Any] = {"PatientID": " P1", "IssuerOfPatientID": " here", "AccessionNumber": " A1"}
    with opened(database) as entries:
        store(entries, received(1, **padded, StudyDescription=" Head\\ Neck"))
    before = rows(database, WITH_STUDIES)
    assert rekey(database)
    (after,) = rows(database, WITH_STUDIES)
    assert [after[name] for name in VALUES] == ["P1", "here", "A1", "Head\\Neck"]
    assert after["identity"] != before[0]["identity"]
    assert rekey(database) == 0
    with opened(database) as entries:  # what comes now finds its patient
        store(entries, received(2, PatientID="P1", IssuerOfPatientID="here"))
    assert len(rows(database, "SELECT * FROM patients")) == 1
    assert_counts_true(database)


def test_patients_whom_padding_made_two_become_one(database: Database) -> None:
    elsewhere = Actor(organizations.add(database, MODALITY, "other", "Other").id, "ae", "CT2", "", "")
    with opened(database) as entries:
        store(entries, received(1, PatientID=" P", PatientBirthDate="19700101"))
        store(entries, received(2, PatientID=" P"))
        store(entries, received(3, PatientID="P", PatientBirthDate=""))
        store(entries, received(3, instance=2, PatientID="P"))
        store(entries, received(4, PatientID="  P", actor=elsewhere))
    assert len(rows(database, "SELECT * FROM patients")) == 3
    before = {row["study_instance_uid"]: row["version"] for row in rows(database, "SELECT * FROM studies")}
    rekey(database)
    found = rows(database, WITH_STUDIES)
    assert [row["patient_id"] for row in found] == ["P"] * 4
    assert {row["patient_birth_date"] for row in found[:3]} == {"19700101"}
    assert len(rows(database, "SELECT * FROM patients")) == 2
    after = {row["study_instance_uid"]: row["version"] for row in rows(database, "SELECT * FROM studies")}
    assert [after[key] - before[key] for key in sorted(after)] == [1, 1, 0, 0]
    assert_counts_true(database)
    assert actions(database).count("patient.merge") == 1
    assert rekey(database) == 0
    with opened(database) as entries:
        store(entries, received(1, instance=2, PatientID="P"))
    assert_counts_true(database)


def test_a_patient_whose_identity_does_not_come_from_the_values_keeps_it(database: Database) -> None:
    """One without a Patient ID may have been lent one later: that is no padding's fault."""
    with opened(database) as entries:
        store(entries, received(1, PatientID=""))
    with database.write() as connection:
        connection.execute(text("UPDATE patients SET patient_id = ' P'"))
    (before,) = rows(database, WITH_STUDIES)
    rekey(database)
    (after,) = rows(database, WITH_STUDIES)
    assert (after["identity"], after["patient_id"]) == (before["identity"], "P")
