"""What an arriving object does to the index: on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from pacs.actor import Actor
from pacs.errors import BlobVanishing
from pacs.model import AuditRecord, Outcome
from storage.database import Database
from storage.entering import store_batch
from storage.feeds import transaction
from storage.index import Entries, open_entries
from tests.storage.received import MODALITY, received, uid
from tests.storage.world import actions, assert_counts_true, events, opened, rows, store

JPEG_2000 = "1.2.840.10008.1.2.4.90"


@pytest.fixture
def entries(database: Database) -> Iterator[Entries]:
    with opened(database) as opened_entries:
        yield opened_entries


def test_a_first_instance_makes_all_rows(database: Database, entries: Entries) -> None:
    stored = store(entries, received())
    assert stored.outcome is Outcome.CREATED
    (study,) = rows(database, "SELECT * FROM studies")
    assert (study["state"], study["flags"], study["version"]) == ("receiving", "", 1)
    assert (study["study_date"], study["study_date_key"]) == ("20240131", "20240131")
    assert study["modalities_in_study"] == "CT"
    (instance,) = rows(database, "SELECT * FROM instances")
    assert (instance["instance_number"], instance["instance_number_key"]) == ("1", 1)
    assert instance["available_transfer_syntax_uid"] == "1.2.840.10008.1.2.1"
    (version,) = rows(database, "SELECT * FROM versions")
    assert (bytes(version["frames"]), version["source_name"]) == (b"frames", MODALITY.name)
    assert version["correlation_id"] == MODALITY.correlation_id
    assert events(database) == ["study.received"]
    assert actions(database) == ["store"]
    (job,) = rows(database, "SELECT * FROM jobs")
    assert (job["kind"], job["state"]) == ("study.settle", "waiting")
    assert_counts_true(database)


def test_the_same_data_set_again_is_a_success_that_changes_nothing(
    database: Database, entries: Entries
) -> None:
    first = store(entries, received())
    before = rows(database, "SELECT * FROM studies")
    again = store(entries, received())
    assert (again.outcome, again.blob) == (Outcome.DUPLICATE, first.blob)
    assert rows(database, "SELECT * FROM studies") == before
    assert actions(database) == ["store", "store.duplicate"]
    assert_counts_true(database)


def test_the_same_data_set_under_another_header_leaves_a_blob_for_the_sweep(
    database: Database, entries: Entries
) -> None:
    first = store(entries, received())
    again = received(header="other")
    assert store(entries, again).blob == first.blob
    blobs = {row["address"]: row for row in rows(database, "SELECT * FROM blobs")}
    assert blobs[first.blob.address]["refcount"] == 1
    spare = blobs[again.blob.address]
    assert (spare["refcount"], spare["state"]) == (0, "live") and spare["unreferenced_since"]
    # … and a spare blob is taken into use by an object that needs it
    store(entries, received(study=2, header="x", content="y"))
    assert_counts_true(database)


def test_of_several_versions_the_healed_one_is_known_as_such_within_its_batch(
    database: Database, entries: Entries
) -> None:
    first, second = (store(entries, received(content=content)) for content in "ab")
    assert second.outcome is Outcome.VERSION
    healing = replace(received(content="b", header="other"), damaged=frozenset({second.blob.address}))
    batch = [healing, received(content="b", header="other"), received(content="a")]
    with transaction(database) as under_way:
        healed, again, former = store_batch(under_way, batch, timedelta(minutes=1), lambda blobs: [])
    assert (healed.outcome, healed.blob) == (again.outcome, again.blob) == (Outcome.DUPLICATE, healing.blob)
    assert (former.outcome, former.blob) == (Outcome.DUPLICATE, first.blob)
    found = rows(database, "SELECT n, blob FROM versions ORDER BY n")
    assert [(row["n"], row["blob"]) for row in found] == [(1, first.blob.address), (2, healing.blob.address)]
    assert actions(database) == ["store", "store.version", "store.healed", "store.duplicate"]
    assert_counts_true(database)


def test_the_same_data_set_again_is_kept_when_the_first_copy_is_gone(database: Database) -> None:
    """Success was answered for it, and nothing else holds its bytes: the sweep must not take it."""
    gone: set[str] = set()
    entries = open_entries(database, lambda blobs: [blob for blob in blobs if blob.address in gone])
    first = store(entries, received())
    gone.add(first.blob.address)
    again = received(header="other")
    assert store(entries, again).blob == again.blob
    entries.close()
    blobs = {row["address"]: row for row in rows(database, "SELECT * FROM blobs")}
    assert blobs[again.blob.address]["refcount"] == 1
    (version,) = rows(database, "SELECT n, blob FROM versions")
    assert (version["n"], version["blob"]) == (1, again.blob.address)  # so it is what is given out
    assert_counts_true(database)


def test_other_bytes_are_kept_as_another_version_and_the_first_stays_current(
    database: Database, entries: Entries
) -> None:
    store(entries, received())
    assert store(entries, received(content="other")).outcome is Outcome.VERSION
    assert store(entries, received(content="other")).outcome is Outcome.DUPLICATE
    assert store(entries, received()).outcome is Outcome.DUPLICATE
    (instance,) = rows(database, "SELECT * FROM instances")
    assert instance["current_version"] == 1
    versions = rows(database, "SELECT n, dataset_digest FROM versions ORDER BY n")
    assert [v["n"] for v in versions] == [1, 2]
    assert versions[0]["dataset_digest"] == received().dataset_digest
    assert events(database) == ["study.received", "instance.version"]
    assert "store.version" in actions(database)
    assert_counts_true(database)


def test_the_same_bytes_in_another_transfer_syntax_are_another_version(
    database: Database, entries: Entries
) -> None:
    """A device that named the wrong one was corrected, and has sent its images again."""
    store(entries, received(header="JPEG"))
    again = replace(received(header="JPEG 2000"), transfer_syntax=JPEG_2000)
    assert [store(entries, again).outcome for _ in range(2)] == [Outcome.VERSION, Outcome.DUPLICATE]
    (first, second) = rows(database, "SELECT transfer_syntax, blob FROM versions ORDER BY n")
    assert first["transfer_syntax"] != second["transfer_syntax"] == JPEG_2000
    assert second["blob"] == again.blob.address
    assert_counts_true(database)


def test_one_sop_instance_uid_in_two_series_is_two_instances(database: Database, entries: Entries) -> None:
    store(entries, received(sop="1.9"))
    assert store(entries, received(series=2, sop="1.9")).outcome is Outcome.CREATED
    assert len(rows(database, "SELECT * FROM instances")) == 2
    assert "instance.duplicate_uid" in events(database)
    assert_counts_true(database)


def test_another_patient_in_a_study_is_kept_and_flagged_once(database: Database, entries: Entries) -> None:
    store(entries, received())
    store(entries, received(instance=2, PatientID="OTHER", PatientSex="M"))
    store(entries, received(instance=3, PatientID="OTHER", series=2))
    (study,) = rows(database, "SELECT * FROM studies")
    assert study["flags"] == "patient_conflict"
    (patient,) = rows(database, "SELECT * FROM patients")
    assert (patient["patient_id"], patient["patient_sex"]) == ("P1", None)
    assert events(database).count("study.patient_conflict") == 1
    assert actions(database).count("store.patient_conflict") == 1
    assert_counts_true(database)


def test_two_studies_of_one_patient_share_his_row_unless_the_issuer_differs(
    database: Database, entries: Entries
) -> None:
    store(entries, received(study=1, PatientID="X"))
    store(entries, received(study=2, PatientID="X"))
    store(entries, received(study=3, PatientID="X", IssuerOfPatientID="ELSEWHERE"))
    counts = rows(database, "SELECT number_of_patient_related_studies AS n FROM patients ORDER BY pk")
    assert [row["n"] for row in counts] == [2, 1]


def test_studies_without_patient_id_do_not_share_a_patient(database: Database, entries: Entries) -> None:
    store(entries, received(study=1, PatientID=""))
    store(entries, received(study=1, instance=2, PatientID=""))
    store(entries, received(study=2, PatientID=""))
    assert len(rows(database, "SELECT * FROM patients")) == 2
    assert events(database) == ["study.received"] * 2
    assert_counts_true(database)


def test_later_instances_fill_blanks_and_change_nothing_else(database: Database, entries: Entries) -> None:
    code = {"00080100": {"vr": "SH", "Value": ["C1"]}, "00080104": {"vr": "LO", "Value": ["Thorax"]}}
    store(entries, received())
    store(
        entries,
        received(instance=2, StudyDescription="Chest", StudyDate="19990101", ProcedureCodeSequence=[code]),
    )
    store(entries, received(instance=3, ProcedureCodeSequence=[code, code]))
    (study,) = rows(database, "SELECT * FROM studies")
    assert (study["study_description"], study["study_date"]) == ("Chest", "20240131")
    assert study["study_description_key"]
    assert orjson.loads(study["procedure_code_sequence"]) == [code]
    items = rows(database, "SELECT * FROM sequence_values ORDER BY keyword")
    assert [(i["level"], i["item"], i["keyword"], i["value"]) for i in items] == [
        ("STUDY", 0, "CodeMeaning", "Thorax"),
        ("STUDY", 0, "CodeValue", "C1"),
    ]


def test_what_cannot_be_matched_is_not_found_by_what_came_later(database: Database, entries: Entries) -> None:
    store(entries, received(StudyDate="some day", SeriesNumber="one"))
    later = {"StudyDate": "19990101", "SeriesNumber": "7", "StudyDescription": "Chest", "ProtocolName": "x"}
    store(entries, received(1, 1, 2, **later))
    (study,) = rows(database, "SELECT study_date, study_date_key, study_description FROM studies")
    assert tuple(study.values()) == ("some day", None, "Chest")
    (series,) = rows(database, "SELECT series_number, series_number_key FROM series")
    assert tuple(series.values()) == ("one", None)


def test_modalities_and_sop_classes_are_collected(database: Database, entries: Entries) -> None:
    store(entries, received(series=1, Modality="PT", sop_class="1.2.2"))
    store(entries, received(series=2, Modality="CT", sop_class="1.2.1"))
    store(entries, received(series=3, Modality="CT", sop_class="1.2.1"))
    (study,) = rows(database, "SELECT * FROM studies")
    assert (study["modalities_in_study"], study["sop_classes_in_study"]) == ("CT\\PT", "1.2.1\\1.2.2")


def test_two_modalities_in_one_attribute_are_collected_once(database: Database, entries: Entries) -> None:
    store(entries, received(Modality="CT"))
    for instance in (1, 2, 3):
        store(entries, received(series=2, instance=instance, Modality="MR\\CT"))
    assert rows(database, "SELECT modalities_in_study AS m FROM studies") == [{"m": "CT\\MR"}]
    assert_counts_true(database)


def test_organisations_do_not_meet(database: Database, entries: Entries) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO organizations (id, code, name) VALUES (2, 'b', 'B')")
        connection.exec_driver_sql("INSERT INTO org_heads (org_id) VALUES (2)")
    other = Actor(2, "ae", "CT2", "", "1")
    store(entries, received())
    assert store(entries, received(actor=other)).outcome is Outcome.CREATED
    studies = rows(database, "SELECT org_id, study_instance_uid FROM studies ORDER BY org_id")
    assert [(s["org_id"], s["study_instance_uid"]) for s in studies] == [(1, uid(1)), (2, uid(1))]
    (blob,) = rows(database, "SELECT * FROM blobs")
    assert blob["refcount"] == 2
    assert [row["seq"] for row in rows(database, "SELECT seq FROM changes")] == [1, 1]
    assert_counts_true(database)


def test_in_one_batch_each_sender_has_an_audit_record_of_its_own(database: Database) -> None:
    another, late = replace(MODALITY, name="CT2"), replace(MODALITY, correlation_id="fedcba9876543210")
    batch = [received(instance=n, actor=who) for n, who in enumerate((MODALITY, another, late, MODALITY))]
    with transaction(database) as under_way:
        store_batch(under_way, batch, timedelta(minutes=1), lambda _: [])
    said = rows(database, "SELECT actor_name, correlation_id, details FROM audit ORDER BY seq")
    found = [(s["actor_name"], s["correlation_id"], orjson.loads(s["details"])["instances"]) for s in said]
    assert found == [
        ("CT1", MODALITY.correlation_id, [uid(1, 1, 0), uid(1, 1, 3)]),
        ("CT2", MODALITY.correlation_id, [uid(1, 1, 1)]),
        ("CT1", late.correlation_id, [uid(1, 1, 2)]),
    ]


def test_a_clock_that_is_set_back_makes_no_study_older(database: Database, entries: Entries) -> None:
    store(entries, received())
    ahead = 4_000_000_000_000_000  # microseconds: the year 2096
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE studies SET last_received_at = {ahead}")
    store(entries, received(instance=2))
    assert rows(database, "SELECT last_received_at FROM studies") == [{"last_received_at": ahead}]


def test_a_vanishing_blob_fails_its_own_instance_only(database: Database, entries: Entries) -> None:
    lost = received(study=2)
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO blobs (address, size, refcount, state, unreferenced_since) "
            f"VALUES ('{lost.blob.address}', 1000, 0, 'deleting', 1)"
        )
    with pytest.raises(BlobVanishing):
        store(entries, lost)
    assert rows(database, "SELECT * FROM studies") == []
    store(entries, received(study=1))
    assert_counts_true(database)


def test_an_unreferenced_blob_is_taken_back_into_use(database: Database, entries: Entries) -> None:
    item = received()
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO blobs (address, size, refcount, state, unreferenced_since) "
            f"VALUES ('{item.blob.address}', 1000, 0, 'live', 1)"
        )
    store(entries, item)
    (blob,) = rows(database, "SELECT * FROM blobs")
    assert (blob["refcount"], blob["unreferenced_since"]) == (1, None)


def test_numbers_beyond_an_integer_are_kept_as_text_without_key(database: Database, entries: Entries) -> None:
    store(entries, received(InstanceNumber="9" * 30))
    (instance,) = rows(database, "SELECT * FROM instances")
    assert (instance["instance_number"], instance["instance_number_key"]) == ("9" * 30, None)


def test_the_longest_values_fit_both_databases(database: Database, entries: Entries) -> None:
    long = "\U0001f600" * 512
    store(entries, received(PatientID=long, IssuerOfPatientID=long, AccessionNumber=long, StudyID=long))
    assert rows(database, "SELECT patient_id FROM patients") == [{"patient_id": long}]


def test_audit_records_share_transactions_with_what_is_stored(database: Database, entries: Entries) -> None:
    assert entries.submit(AuditRecord(MODALITY, "query", "success", details={"matches": 3})) is None
    (row,) = rows(database, "SELECT * FROM audit")
    assert (row["action"], row["details"], row["correlation_id"]) == (
        "query",
        '{"matches":3}',
        MODALITY.correlation_id,
    )
